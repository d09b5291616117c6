"""A BERT checkpoint's tensors, stacked layer by layer and packed for the native kernel, in a folder of `.npy` files."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist._optional import require
from shortlist.errors import CorruptModelError, UnsupportedModelError
from shortlist.inference.export.graph import as_bytes
from shortlist.inference.export.restored import restored
from shortlist.inference.export.safetensors import Floats
from shortlist.inference.modules import Module
from shortlist.inference.native_peaks import Peaks
from shortlist.inference.ready_made import Head

LAYOUT = 2  # of the folder; raised when what is written below changes
WIDEST = 1024
_GELU = {"gelu", "gelu_python"}
_SIZES = "sizes.json"
_NOTHING: Floats = np.zeros(0, np.float32)
_TINY = 1e-6

SMOOTHING = 0.8
"""How much of a channel's range goes over into its weights (docs/speed.md)."""

# In the kernel's order (native/src/shortlist_native/module.c).
_NAMES = (
    *("words", "positions", "types", "embedding_norm"),
    *("qkv", "qkv_bias", "mixed", "mixed_bias", "mixed_norm", "fed", "fed_bias", "out", "out_bias", "out_norm"),
    *("qkv_scales", "qkv_factors", "fed_scales", "fed_factors"),
    *("pooler", "pooler_bias", "classifier", "classifier_bias"),
)


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the kernel must know of an encoder; 0 labels stand for a mean over the tokens, of length 1."""

    layers: int
    hidden: int
    heads: int
    feed: int
    labels: int
    vocabulary: int
    positions: int
    types: int
    is_int8: bool
    epsilon: float

    def check(self) -> None:
        """Raise UnsupportedModelError where the kernel has no code for these sizes."""
        size = self.hidden // self.heads
        if self.is_int8 and self.hidden % 64:
            raise UnsupportedModelError(
                f"int8 on the native engine needs a width of a multiple of 64; got {self.hidden}"
            )
        if self.hidden > WIDEST or size not in {32, 64} or size * self.heads != self.hidden or self.feed % 32:
            raise UnsupportedModelError(
                f"the native engine runs encoders up to {WIDEST} wide with heads of 32 or 64, and a feed-forward of a"
                f" multiple of 32; this one is {self.hidden} wide, with {self.heads} heads and {self.feed} inside"
            )


@dataclass(frozen=True, slots=True, eq=False)
class NativeWeights:
    """An encoder's sizes, and its arrays in the kernel's order."""

    sizes: Sizes
    tensors: tuple[npt.NDArray[Any], ...]

    @classmethod
    def load(cls, folder: Path) -> NativeWeights:
        """Map what `save` wrote into memory. Raises CorruptModelError when it is missing or damaged."""
        try:
            sizes = Sizes(**json.loads((folder / _SIZES).read_text(encoding="utf-8")))
            tensors = [_mapped(folder / f"{name}.npy") for name in _NAMES]
        except (OSError, ValueError, TypeError) as error:
            raise CorruptModelError(f"{folder} holds no packed weights: {error}") from error
        return cls(sizes, tuple(tensors))

    def save(self, folder: Path) -> None:
        """Write the arrays; the folder appears at once and whole."""
        draft = folder.with_name(f"{folder.name}.{os.getpid()}.part")
        draft.mkdir(parents=True)
        try:
            for name, values in zip(_NAMES, self.tensors, strict=True):
                if values.size:  # a bi-encoder has no head, and empty files cannot be mapped
                    np.save(draft / f"{name}.npy", values)
            (draft / _SIZES).write_text(json.dumps(asdict(self.sizes)) + "\n", encoding="utf-8")
            if not folder.is_dir():  # another process may have been faster
                draft.replace(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def _mapped(file: Path) -> npt.NDArray[Any]:
    return np.load(file, mmap_mode="r") if file.is_file() else _NOTHING


def check_model(config: Mapping[str, Any], head: Head) -> None:
    """Raise UnsupportedModelError where a model's configuration says already that the kernel cannot run it."""
    if config.get("model_type") != "bert":
        raise UnsupportedModelError(f"the native engine runs BERT alone; this model is {config.get('model_type')}")
    if head == "token_embeddings":
        raise UnsupportedModelError(
            "the native engine gives one vector or the logits of a sequence, not one of each token"
        )
    activation = config.get("hidden_act", "gelu")
    if activation not in _GELU:
        raise UnsupportedModelError(
            f"the native engine has no activation {activation!r}, only {', '.join(sorted(_GELU))}"
        )


def check_modules(modules: Sequence[Module], head: Head) -> None:
    """Raise UnsupportedModelError where modules of sentence-transformers make something else of the hidden states."""
    behind = [module.pooling or module.kind for module in modules[1:]]
    if behind and (head != "mean_pooling" or set(behind) - {"mean", "Normalize"}):
        raise UnsupportedModelError(
            "the native engine gives a BERT classifier's logits or the mean over the tokens; this model has"
            f" {', '.join(behind)} behind the encoder"
        )


def packed(graph: Path, config: Mapping[str, Any], head: Head, peaks: Peaks | None = None) -> NativeWeights:
    """Pack a graph that shortlist exported of a BERT classifier or bi-encoder; `config` stands beside it.

    With `peaks`, the products that read them are in int8. Raises UnsupportedModelError for another graph or size,
    MissingExtraError without onnx.
    """
    tensors, whole = restored(graph, config)
    read = _Reader(tensors)
    sizes = _sizes(read, whole, head, is_int8=peaks is not None)
    sizes.check()
    return NativeWeights(sizes, (*_embeddings(read), *_layers(read, sizes, peaks), *_head(read, sizes)))


@dataclass(frozen=True, slots=True)
class _Reader:
    tensors: Mapping[str, Floats]

    def __call__(self, name: str) -> Floats:
        found = self.tensors.get(name, self.tensors.get(f"bert.{name}"))
        if found is None:
            raise UnsupportedModelError(f"the native engine needs the tensor {name}, which the model has not")
        return found

    def has(self, name: str) -> bool:
        return name in self.tensors or f"bert.{name}" in self.tensors


def _sizes(read: _Reader, config: Mapping[str, Any], head: Head, *, is_int8: bool) -> Sizes:
    layers = 0
    while read.has(f"encoder.layer.{layers}.output.dense.weight"):
        layers += 1
    vocabulary, hidden = read("embeddings.word_embeddings.weight").shape
    return Sizes(
        layers=layers,
        hidden=hidden,
        heads=int(config["num_attention_heads"]),
        feed=int(config["intermediate_size"]),
        labels=len(read("classifier.bias")) if head == "classification" else 0,
        vocabulary=vocabulary,
        positions=len(read("embeddings.position_embeddings.weight")),
        types=len(read("embeddings.token_type_embeddings.weight")),
        is_int8=is_int8,
        epsilon=float(config.get("layer_norm_eps", 1e-12)),
    )


def _embeddings(read: _Reader) -> list[npt.NDArray[Any]]:
    tables = [read(f"embeddings.{kind}_embeddings.weight") for kind in ("word", "position", "token_type")]
    return [*tables, np.stack([read(f"embeddings.LayerNorm.{part}") for part in ("weight", "bias")])]


def _layers(read: _Reader, sizes: Sizes, peaks: Peaks | None) -> list[npt.NDArray[Any]]:
    stems = [f"encoder.layer.{layer}." for layer in range(sizes.layers)]

    def dense(name: str) -> list[npt.NDArray[Any]]:
        weights = [_packed(read(f"{stem}{name}.weight")) for stem in stems]
        return [np.stack(weights), biases(name)]

    def biases(name: str) -> npt.NDArray[Any]:
        return np.stack([read(f"{stem}{name}.bias") for stem in stems])

    def norms(name: str) -> npt.NDArray[Any]:
        return np.stack([read(f"{stem}{name}.LayerNorm.{part}") for stem in stems for part in ("weight", "bias")])

    qkv = [_qkv(read, f"{stem}attention.self.", sizes) for stem in stems]
    projected = _products([weight for weight, _ in qkv], peaks.qkv if peaks else None)
    fed = _products([read(f"{stem}intermediate.dense.weight") for stem in stems], peaks.fed if peaks else None)
    return [
        projected.weights,
        np.stack([bias for _, bias in qkv]),
        *dense("attention.output.dense"),
        norms("attention.output"),
        fed.weights,
        biases("intermediate.dense"),
        *dense("output.dense"),
        norms("output"),
        *(projected.scales, projected.factors, fed.scales, fed.factors),
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Products:
    """One product in every layer; scales and factors are empty where it is in bf16."""

    weights: npt.NDArray[Any]
    scales: Floats
    factors: Floats


def _products(weights: Sequence[Floats], peaks: Sequence[Floats] | None) -> _Products:
    """Pack weights `[outputs, inputs]` as bf16, or as int8 for inputs whose channels reach `peaks`."""
    if not peaks:
        return _Products(np.stack([_packed(weight) for weight in weights]), _NOTHING, _NOTHING)
    made = [_in_bytes(weight, peak) for weight, peak in zip(weights, peaks, strict=True)]
    packed, scales, factors = (np.stack(parts) for parts in zip(*made, strict=True))
    return _Products(packed, scales, factors)


def _in_bytes(weight: Floats, peak: Floats) -> tuple[npt.NDArray[np.int8], Floats, Floats]:
    """Return int8 tiles, a scale an output, and what inputs are multiplied by before they become int8.

    A channel's range goes over into its weights in part (SmoothQuant, Xiao et al. 2023), so that few outlying
    channels do not take up a row's 8 bits.
    """
    reach = np.maximum(peak, _TINY) ** SMOOTHING / np.maximum(np.abs(weight).max(axis=0), _TINY) ** (1 - SMOOTHING)
    turned = np.ascontiguousarray((weight * reach).T)  # [inputs, outputs]
    values, scales = as_bytes(turned, axis=0)
    out = np.empty(values.size, np.int8)
    require("shortlist_native", extra="native").pack(values, out, *values.shape, True)
    return out, scales[0], (1 / reach).astype(np.float32)


def _qkv(read: _Reader, stem: str, sizes: Sizes) -> tuple[Floats, Floats]:
    """Put queries, keys and values on top of each other; the queries' scale turns scores into powers of two."""
    scale = np.float32(np.log2(np.e) / np.sqrt(sizes.hidden // sizes.heads))
    weight = np.concatenate([read(f"{stem}{name}.weight") for name in ("query", "key", "value")])
    bias = np.concatenate([read(f"{stem}{name}.bias") for name in ("query", "key", "value")])
    weight[: sizes.hidden] *= scale
    bias[: sizes.hidden] *= scale
    return weight, bias


def _packed(weight: Floats) -> npt.NDArray[np.uint16]:
    """Return the weight `[outputs, inputs]` in the tiles' order, bf16 in 16-bit numbers."""
    turned = np.ascontiguousarray(weight.T, dtype=np.float32)  # [inputs, outputs]
    out = np.empty(turned.size, np.uint16)
    require("shortlist_native", extra="native").pack(turned, out, *turned.shape, False)
    return out


def _head(read: _Reader, sizes: Sizes) -> Sequence[npt.NDArray[Any]]:
    if not sizes.labels:
        return [_NOTHING] * 4
    return [read(name) for name in ("pooler.dense.weight", "pooler.dense.bias", "classifier.weight", "classifier.bias")]
