"""Modules of sentence-transformers and PyLate, drawn behind an encoder: pooling, dense layers, layer norms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from shortlist.errors import UnsupportedModelError
from shortlist.inference.export.checkpoint import Checkpoint
from shortlist.inference.export.config import Config
from shortlist.inference.export.draft import Draft
from shortlist.inference.export.family import Encoded, Family
from shortlist.inference.export.graph import Value
from shortlist.inference.export.heads import mean_over_mask
from shortlist.inference.modules import Module

# Classes of torch.nn -> names of activations as in config.json; Identity does nothing.
_ACTIVATIONS = {"GELU": "gelu", "Identity": "", "ReLU": "relu", "SiLU": "silu", "Tanh": "tanh"}
_EPSILON = 1e-5  # of torch.nn.LayerNorm, which the module does not change
_AFTER_TOKENS = {"MultiVectorMask", "Normalize"}  # which tokens count is the scorer's; vectors are scaled at the end


def pooled(draft: Draft, family: Family, modules: Sequence[Module]) -> tuple[Encoded, Value, int]:
    """Draw the encoder, its pooling, and the modules behind it; return `[batch, width]` with its width.

    Raises UnsupportedModelError for a module or a setting that is not known here.
    """
    mode = modules[0].pooling
    if mode not in ("cls", "mean"):
        raise UnsupportedModelError(
            f"{modules[0].folder}: {modules[0].kind} with pooling_mode={mode!r} cannot be exported behind the"
            " transformer; Pooling with 'cls' or 'mean' can"
        )
    encoded = family.encode(draft, mode == "cls")
    x = draft.without_length(encoded.hidden) if mode == "cls" else mean_over_mask(draft, encoded.hidden)
    width = encoded.size
    for module in modules[1:]:
        x, width = _drawn(draft, x, module, width)
    return encoded, x, width


def projected(draft: Draft, encoded: Encoded, modules: Sequence[Module]) -> tuple[Value, int]:
    """Project every position to the dimension of late interaction: `[batch, length, width]` with its width.

    The projection is a Dense module, or `linear.weight` beside the encoder's tensors, as in
    the checkpoints of ColBERT itself.
    """
    x, width = encoded.hidden, encoded.size
    layers = [module for module in modules if module.kind not in _AFTER_TOKENS]
    for module in layers:
        x, width = _drawn(draft, x, module, width)
    if layers:
        return x, width
    if draft.checkpoint.find("linear.weight", prefix="") is None:
        raise UnsupportedModelError(
            f"{draft.config.folder} has neither a Dense module nor a tensor 'linear.weight',"
            " so it is no late-interaction model"
        )
    weight = draft.checkpoint.read("linear.weight", prefix="", shape=(None, width))
    return _times(draft, x, "linear.weight", weight), len(weight)


def _drawn(draft: Draft, x: Value, module: Module, width: int) -> tuple[Value, int]:
    if module.kind == "Dense":
        return _dense(draft, x, module, width)
    if module.kind == "LayerNorm":
        part = _checkpoint(draft, module)
        names = ("norm.weight", "norm.bias")
        scale, offset = (draft.graph.constant(f"{module.folder.name}.{n}", part.read(n, width)) for n in names)
        return draft.graph.op("LayerNormalization", x, scale, offset, axis=-1, epsilon=_EPSILON), width
    if module.kind in {"Dropout", "Normalize"}:  # where length matters, vectors are scaled at the end
        return x, width
    raise UnsupportedModelError(
        f"{module.folder}: the module {module.kind} cannot be exported; Pooling, Dense, LayerNorm and Dropout can"
    )


def _dense(draft: Draft, x: Value, module: Module, width: int) -> tuple[Value, int]:
    settings, part, graph = Config(module.folder, module.settings), _checkpoint(draft, module), draft.graph
    out, name = settings.integer("out_features"), module.folder.name
    y = _times(draft, x, f"{name}.weight", part.read("linear.weight", out, width))
    if settings.flag("bias", True):
        y = graph.op("Add", y, graph.constant(f"{name}.bias", part.read("linear.bias", out)))
    activation = settings.text("activation_function", "torch.nn.modules.activation.Tanh").rpartition(".")[2]
    if activation not in _ACTIVATIONS:
        raise UnsupportedModelError(
            f"{module.folder}: the activation {activation!r} cannot be exported; known are {', '.join(_ACTIVATIONS)}"
        )
    y = draft.activate(y, _ACTIVATIONS[activation]) if _ACTIVATIONS[activation] else y
    if settings.flag("use_residual", False):
        kept = x if out == width else _times(draft, x, f"{name}.residual", part.read("residual.weight", out, width))
        y = graph.op("Add", y, kept)
    return y, out


def _checkpoint(draft: Draft, module: Module) -> Draft:
    return replace(draft, checkpoint=Checkpoint.open(module.folder), prefix="")


def _times(draft: Draft, x: Value, name: str, weight: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Value:
    return draft.graph.op("MatMul", x, draft.graph.weight(name, np.ascontiguousarray(weight.T)))
