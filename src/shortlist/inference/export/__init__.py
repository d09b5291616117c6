"""A Hugging Face model folder becomes an ONNX graph, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from shortlist.errors import InputError
from shortlist.inference.export.checkpoint import Checkpoint
from shortlist.inference.export.config import Config
from shortlist.inference.export.draft import Draft
from shortlist.inference.export.families import FAMILIES, check_architecture, family_of
from shortlist.inference.export.family import Encoded, Family
from shortlist.inference.export.graph import Graph, Value, Weights
from shortlist.inference.export.heads import mean_over_mask, unit_length
from shortlist.inference.export.modules import pooled, projected
from shortlist.inference.export.saving import LARGEST_SINGLE_FILE, save, token_ports
from shortlist.inference.modules import Module, read_modules
from shortlist.inference.ready_made import Head

# Raised whenever the graph of the same model changes, so that a cache of exports can tell old ones.
EXPORT_VERSION = 3

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
    "classification"; `embeddings` `[batch, dimension]` for "mean_pooling", the mean over the mask
    scaled to unit length; `token_embeddings` `[batch, length, dimension]`, projected and of unit length,
    for "token_embeddings" (ColBERT). A folder of sentence-transformers modules is drawn with its own
    pooling and dense layers. All arithmetic is fp32; `weights` says how linear weights and tables are
    stored: "int8" is one byte a weight, with an fp32 scale a column of a matrix and a row of a table.
    Constants above `largest_single_file` bytes go to `model.onnx.data`.

    Raises ModelNotFoundError when config or weights are absent, CorruptModelError when they are
    damaged or do not fit together, UnsupportedModelError when the architecture cannot be exported,
    MissingExtraError without the extra `hub`.
    """
    if head not in get_args(Head) or weights not in get_args(Weights):
        raise InputError(
            f"head={head!r}, weights={weights!r}: head must be one of {', '.join(get_args(Head))},"
            f" weights one of {', '.join(get_args(Weights))}"
        )
    config = Config.load(folder)
    model_type, family = family_of(config)
    draft = Draft(Graph(weights), config, Checkpoint.open(folder), family.prefix)
    encoded, output = _DRAWN[head](draft, family, read_modules(folder)[1:])
    notes = {"shortlist.model_type": model_type, "shortlist.head": head, "shortlist.weights": weights}
    path = save(
        draft.graph,
        out,
        inputs=token_ports(draft.inputs),
        outputs=[output],
        notes=notes,
        largest_single_file=largest_single_file,
    )
    kept, width = tuple(draft.graph.kept_float32), int(output[2][-1])
    return Exported(path, model_type, tuple(draft.inputs), output[0], width, encoded.max_length, kept)


_Drawn = tuple[Encoded, tuple[str, Value, tuple[str | int, ...]]]


def _classification(draft: Draft, family: Family, modules: Sequence[Module]) -> _Drawn:
    """Draw a classifier: of transformers' own head, or of an encoder with modules behind it."""
    if modules:
        check_architecture(draft.config, family.architectures, use="as an encoder")
        encoded, features, width = pooled(draft, family, modules)
        return encoded, ("logits", features, ("batch", width))
    check_architecture(draft.config, (family.classifier,), use="with a classification head")
    encoded = family.encode(draft, family.pools_first(draft.config))
    logits = draft.linear(family.features(draft, encoded), family.out, wide=(None, encoded.size))
    return encoded, ("logits", logits, ("batch", len(draft.read(f"{family.out}.bias", None))))


def _mean_pooling(draft: Draft, family: Family, modules: Sequence[Module]) -> _Drawn:
    check_architecture(draft.config, family.architectures, use="as an encoder")
    if modules:
        encoded, features, width = pooled(draft, family, modules)
    else:
        encoded = family.encode(draft, False)
        features, width = mean_over_mask(draft, encoded.hidden), encoded.size
    return encoded, ("embeddings", unit_length(draft, features), ("batch", width))


def _token_embeddings(draft: Draft, family: Family, modules: Sequence[Module]) -> _Drawn:
    check_architecture(draft.config, (*family.architectures, "HF_ColBERT"), use="for late interaction")
    encoded = family.encode(draft, False)
    vectors, width = projected(draft, encoded, modules)
    return encoded, ("token_embeddings", unit_length(draft, vectors, axis=2), ("batch", "length", width))


_DRAWN = {"classification": _classification, "mean_pooling": _mean_pooling, "token_embeddings": _token_embeddings}
