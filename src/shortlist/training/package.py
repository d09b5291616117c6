"""A trained or foreign model becomes a folder of the wheel: ONNX in fp16 or int8, tokenizer, card with checksums."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoModel, AutoModelForSequenceClassification

from shortlist.errors import CorruptModelError
from shortlist.inference.engine import Engine
from shortlist.inference.export import Head, Weights, export_onnx
from shortlist.inference.onnxruntime import OnnxRuntimeSession
from shortlist.inference.session import Precision
from shortlist.inference.tokens import ModelInput, Tokenizer
from shortlist.training.card import write_card

# What every packaged model is compared with torch on: a match, a miss, short, long, no English.
_TEXTS = (
    "How tall is the Eiffel Tower?",
    "The tower is 330 metres (1,083 ft) tall, about the same height as an 81-storey building.",
    "iron",
    "La tour est une tour de fer puddlé.",
    "def area(radius): return 3.14159 * radius ** 2  " * 12,
)


# fp16 explains a tenth of its bound; int8 moves logits, which spread over ten or more, by up to .2.
_LARGEST_DIFFERENCE: dict[Weights, float] = {"float32": 0.02, "float16": 0.02, "int8": 0.4, "int4": 0.02}


def package(
    source: Path, out: Path, *, head: Head, max_length: int, card: Mapping[str, Any], weights: Weights = "float16"
) -> float:
    """Write model, tokenizer, configuration and card to `out`; return the largest difference from torch.

    Raises CorruptModelError when an output differs from torch's by more than how `weights` are stored explains.
    """
    out.mkdir(parents=True, exist_ok=True)
    export_onnx(source, out, head=head, weights=weights)
    shutil.copyfile(source / "tokenizer.json", out / "tokenizer.json")
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    config = {"max_position_embeddings": max_length} | {k: config[k] for k in _CONFIG if k in config}
    if head == "classification":
        config["num_labels"] = 1
    (out / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    tokenizer = Tokenizer.load(out / "tokenizer.json")
    inputs = _inputs(tokenizer, head)
    outputs = Engine(tokenizer, OnnxRuntimeSession.load(out / "model.onnx", precision=Precision.FP32)).run(inputs)
    difference = float(np.abs(_torch_outputs(source, head, inputs) - outputs).max())
    if difference > _LARGEST_DIFFERENCE[weights]:
        raise CorruptModelError(f"the export of {source} differs from torch by {difference:.4f}")
    made = {"max_length": max_length, "stored_weights": weights, "difference_from_torch": round(difference, 6)}
    write_card(out, {**card, **made})
    return difference


_CONFIG = ("architectures", "model_type", "hidden_size", "num_hidden_layers", "pad_token_id", "vocab_size")


def _inputs(tokenizer: Tokenizer, head: Head) -> list[ModelInput]:
    """Build each text alone, or as what a cross-encoder reads after the first of them."""
    texts = tokenizer.encode(_TEXTS)
    if head == "mean_pooling":
        return [tokenizer.single.build(ids, ids[:0]) for ids in texts]
    return [tokenizer.pair.build(texts[0], ids) for ids in texts]


def _torch_outputs(folder: Path, head: Head, inputs: Sequence[ModelInput]) -> npt.NDArray[np.float32]:
    kind = AutoModel if head == "mean_pooling" else AutoModelForSequenceClassification
    model = kind.from_pretrained(folder).eval()
    rows = []
    for one in inputs:
        types = (np.arange(len(one)) >= one.second_at).astype(np.int64)
        with torch.inference_mode():
            output = model(
                input_ids=torch.from_numpy(one.ids.astype(np.int64))[None],
                token_type_ids=torch.from_numpy(types)[None],
            )
        if head == "mean_pooling":
            rows.append(torch.nn.functional.normalize(output.last_hidden_state.mean(1), dim=-1)[0].numpy())
        else:
            rows.append(output.logits[0].numpy())
    return np.stack(rows).astype(np.float32)
