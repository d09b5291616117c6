"""A Hugging Face model folder becomes an ONNX graph, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from shortlist.errors import InputError
from shortlist.inference.export.checkpoint import Checkpoint
from shortlist.inference.export.config import Config
from shortlist.inference.export.draft import Draft
from shortlist.inference.export.families import FAMILIES, check_architecture, family_of
from shortlist.inference.export.family import Encoded, Family
from shortlist.inference.export.graph import Graph, Value
from shortlist.inference.export.heads import mean_over_mask, unit_length
from shortlist.inference.export.saving import LARGEST_SINGLE_FILE, save

# Raised whenever the graph of the same model changes, so that a cache of exports can tell old ones.
EXPORT_VERSION = 1

Head = Literal["classification", "mean_pooling"]
Weights = Literal["float32", "float16"]

__all__ = ["EXPORT_VERSION", "FAMILIES", "Exported", "Head", "Weights", "export_onnx"]


@dataclass(frozen=True, slots=True)
class Exported:
    """A written graph: its inputs in order, its output with its width, the longest input it takes.

    `kept_float32` names the weights that fp16 would have made too coarse.
    """

    path: Path
    model_type: str
    inputs: tuple[str, ...]
    output: str
    width: int
    max_length: int
    kept_float32: tuple[str, ...]


def export_onnx(
    folder: Path,
    out: Path,
    *,
    head: Head,
    weights: Weights = "float16",
    largest_single_file: int = LARGEST_SINGLE_FILE,
) -> Exported:
    """Write the model in `folder` (config.json and safetensors) as `model.onnx` into the folder `out`.

    Inputs are `input_ids`, `attention_mask` and, where the model has more than one token type,
    `token_type_ids`: int64 `[batch, length]`. The output is fp32: `logits` `[batch, labels]` for
    "classification", or `embeddings` `[batch, dimension]` for "mean_pooling", the mean over the mask
    scaled to unit length. All arithmetic is fp32; `weights` says how linear weights and tables are
    stored. Constants above `largest_single_file` bytes go to `model.onnx.data`.

    Raises ModelNotFoundError when config or weights are absent, CorruptModelError when they are
    damaged or do not fit together, UnsupportedModelError when the architecture cannot be exported,
    MissingExtraError without the extra `hub`.
    """
    if head not in ("classification", "mean_pooling") or weights not in ("float32", "float16"):
        raise InputError(
            f"head={head!r}, weights={weights!r}: head must be 'classification' or 'mean_pooling',"
            " weights 'float16' or 'float32'"
        )
    config = Config.load(folder)
    model_type, family = family_of(config)
    check_architecture(config, family, classification=head == "classification")
    draft = Draft(Graph(half=weights == "float16"), config, Checkpoint.open(folder), family.prefix)
    encoded, output = _drawn(draft, family, classification=head == "classification")
    notes = {"shortlist.model_type": model_type, "shortlist.head": head, "shortlist.weights": weights}
    path = save(
        draft.graph,
        out,
        inputs=draft.inputs,
        output=output,
        notes=notes,
        largest_single_file=largest_single_file,
    )
    kept = tuple(draft.graph.kept_float32)
    return Exported(path, model_type, tuple(draft.inputs), output[0], output[2], encoded.max_length, kept)


def _drawn(draft: Draft, family: Family, *, classification: bool) -> tuple[Encoded, tuple[str, Value, int]]:
    """Draw the model; return what its encoder gives, and the output's name, value and width."""
    encoded = family.encode(draft, classification and family.pools_first(draft.config))
    if not classification:
        vectors = unit_length(draft, mean_over_mask(draft, encoded.hidden))
        return encoded, ("embeddings", vectors, encoded.size)
    logits = draft.linear(family.features(draft, encoded), family.out, wide=(None, encoded.size))
    return encoded, ("logits", logits, len(draft.read(f"{family.out}.bias", None)))
