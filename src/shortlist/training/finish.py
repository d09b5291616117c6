"""A trained folder becomes one that every engine loads: exported, and compared with torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from shortlist.errors import CorruptModelError, MissingExtraError, UnsupportedModelError
from shortlist.evaluation.agreement import agreement, over_queries
from shortlist.inference.calibrating import CALIBRATED, write_calibrated
from shortlist.inference.engine import Engine
from shortlist.inference.export import Head, export_onnx
from shortlist.inference.load import TORCH, available_engines, installed_engines, load_engine
from shortlist.inference.session import Precision
from shortlist.inference.tokens import ModelInput
from shortlist.training.bi_encoder import SCALE
from shortlist.training.groups import Group
from shortlist.training.students import Student

Floats = npt.NDArray[np.float32]

_AT_MOST = 60  # groups compared
_TOGETHER = 8  # groups of one passage each that are compared as one
_CALIBRATED_ON = 32  # groups
_PRECISIONS = [one.value for one in Precision if one not in {Precision.AUTO, Precision.FP16}]  # the latter is torch's
_LEAST_TAU = 0.98  # of fp32 against torch: below, the export is broken
_ROUNDING = 1e-3  # scores nearer than this are alike: fp32 moves logits by some millionths


def exported(student: Student, folder: Path, groups: Sequence[Group]) -> dict[str, Any]:
    """Write `model.onnx` beside the weights and compare every engine and precision here with torch in fp32.

    Where OpenVINO is installed, its int8 graph is written too, calibrated on training passages.

    Compares the order within groups of the training data, where they have one passage each over the
    passages of several: mean Kendall tau, common top 10, and the largest difference. Groups whose
    passages torch scores alike have no order; where there are no others, it says instead that nothing
    was compared. Raises CorruptModelError when an fp32 engine orders otherwise than torch, by more
    than rounding.
    """
    head = student.head
    export_onnx(folder, folder, head=head)
    _calibrate(student, folder, groups)
    ordered = _ordered(student, _comparable(groups))
    engines = [engine for engine in installed_engines() if engine != TORCH]
    if not ordered:
        return dict.fromkeys(engines, "not compared: no two training passages of a query have different scores")
    found: dict[str, Any] = {}
    for engine in engines:
        for precision in _PRECISIONS:
            try:
                loaded = load_engine(str(folder), head=head, engine=engine, precision=precision, threads=1)
            except (UnsupportedModelError, MissingExtraError) as error:
                found[f"{engine} {precision}"] = f"not run: {error}"
                continue
            scores = [(_scores(loaded.engine, head, student.inputs(group)), truth) for group, truth in ordered]
            loaded.engine.close()
            agreed = over_queries([agreement(one, truth) for one, truth in scores])
            found[f"{engine} {precision}"] = {
                "tau": round(agreed.tau, 4),
                "top_10_overlap": round(agreed.top_10_overlap, 4),
                "largest_difference": round(agreed.largest_difference, 5),
            }
            if precision == "fp32" and agreed.tau < _LEAST_TAU and agreed.largest_difference > _ROUNDING:
                raise CorruptModelError(
                    f"{engine} in fp32 orders the training passages otherwise than torch (tau {agreed.tau:.3f});"
                    f" do not use {folder}"
                )
    return found


def _calibrate(student: Student, folder: Path, groups: Sequence[Group]) -> None:
    if "openvino" not in available_engines():
        return
    inputs = [one for group in groups[:: -(-len(groups) // _CALIBRATED_ON)] for one in student.inputs(group)]
    write_calibrated(folder / "model.onnx", inputs, folder / CALIBRATED, pad_id=student.tokenizer.pad_id)


def _ordered(student: Student, groups: Sequence[Group]) -> list[tuple[Group, Floats]]:
    """Return those groups that torch orders, each with its scores `[passages]`."""
    student.module.eval()
    with torch.inference_mode():
        scored = [(group, student.score([group])[0, :, -1].numpy()) for group in groups]
    return [(group, scores) for group, scores in scored if np.ptp(scores) > _ROUNDING]


def _comparable(groups: Sequence[Group]) -> list[Group]:
    """Return groups without a blend's offset: what is compared is the model alone."""
    several = [replace(group, offset=()) for group in groups if len(group.passages) > 1]
    return (several or _together(groups))[:_AT_MOST]


def _together(groups: Sequence[Group]) -> list[Group]:
    """Return groups of one passage each as fewer ones of several, under the first one's query."""
    pieces = [groups[at : at + _TOGETHER] for at in range(0, len(groups), _TOGETHER)]
    passages = [tuple(dict.fromkeys(text for group in some for text in group.passages)) for some in pieces]
    return [
        Group(some[0].query, texts, (), some[0].source)
        for some, texts in zip(pieces, passages, strict=True)
        if len(texts) > 1
    ]


def _scores(engine: Engine, head: Head, inputs: Sequence[ModelInput]) -> Floats:
    outputs = engine.run(inputs)
    if head == "classification":
        return np.asarray(outputs[:, 0], np.float32)
    return np.asarray(SCALE * (outputs[1:] @ outputs[0]), np.float32)
