"""An encoder's tensors, stacked layer by layer and packed for the native kernel, in a folder of `.npy` files."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist._optional import require
from shortlist.errors import CorruptModelError, UnsupportedModelError
from shortlist.inference.export.families import FAMILIES
from shortlist.inference.export.graph import as_bytes
from shortlist.inference.export.restored import Restored, restored
from shortlist.inference.export.safetensors import Floats
from shortlist.inference.modules import Module
from shortlist.inference.native_peaks import Peaks
from shortlist.inference.ready_made import Head
from shortlist.inference.session import Precision

LAYOUT = 4  # of the folder; raised when what is written below changes
WIDEST = 1024
_GELU = {"gelu", "gelu_python"}

# By the family, a classifier's two layers and the activation between them (one of the kernel's names, as below).
_DENSE = ("classifier.dense", "classifier.out_proj")
_HEADS = {
    "bert": ("pooler.dense", "classifier", "tanh"),
    "camembert": (*_DENSE, "tanh"),
    "electra": (*_DENSE, "gelu"),
    "roberta": (*_DENSE, "tanh"),
    "xlm-roberta": (*_DENSE, "tanh"),
}
_COUNTED = {"camembert", "roberta", "xlm-roberta"}  # positions begin behind the padding's
_VECTORS = {"mean": "mean", "cls": "first"}
_SIZES = "sizes.json"
_NOTHING: Floats = np.zeros(0, np.float32)
_TINY = 1e-6
_STEP, _LARGEST, _LONGEST = 384, 32767, 46300  # as in native/src/shortlist_native/avx2/linear.h

SMOOTHING = 0.8
"""How much of a channel's range goes over into its weights (docs/speed.md)."""

# In the kernel's order (native/src/shortlist_native/module.c).
_NAMES = (
    *("words", "positions", "types", "embedding_norm"),
    *("qkv", "qkv_bias", "mixed", "mixed_bias", "mixed_norm", "fed", "fed_bias", "out", "out_bias", "out_norm"),
    *("qkv_scales", "mixed_scales", "fed_scales", "out_scales", "qkv_factors", "fed_factors"),
    *("pooler", "pooler_bias", "classifier", "classifier_bias"),
)


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the kernel must know of an encoder.

    `gives` are logits behind a pooler with "tanh" or "gelu", or a vector of length 1 and 0 labels: the "mean" over the
    tokens, or the "first" of them.
    """

    layers: int
    hidden: int
    heads: int
    feed: int
    labels: int
    vocabulary: int
    positions: int
    types: int
    precision: str
    gives: str
    epsilon: float

    def check(self) -> None:
        """Raise UnsupportedModelError where the kernel has no code for these sizes."""
        size = self.hidden // self.heads
        if self.precision == Precision.INT8.value and self.hidden % 64:
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
    kind, width = config.get("model_type"), config.get("hidden_size")
    if kind not in _HEADS:
        raise UnsupportedModelError(f"the native engine runs {', '.join(_HEADS)}; this model is {kind}")
    if kind == "electra" and config.get("embedding_size", 128) != width:
        raise UnsupportedModelError(
            f"the native engine runs ELECTRA with embeddings as wide as its layers; this model has"
            f" embedding_size={config.get('embedding_size', 128)} and hidden_size={width}"
        )
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
    if behind and (head != "mean_pooling" or set(behind) - {*_VECTORS, "Normalize"}):
        raise UnsupportedModelError(
            "the native engine gives a classifier's logits, the mean over the tokens or the first of them; this model"
            f" has {', '.join(behind)} behind the encoder"
        )


def packed(
    graph: Path, config: Mapping[str, Any], head: Head, precision: Precision, peaks: Peaks | None = None
) -> NativeWeights:
    """Pack a graph that shortlist exported of a classifier or bi-encoder; `config` stands beside it.

    `precision` is bf16, int16, or int8 for the products that read `peaks`, which it needs, and bf16 for the others.
    Raises UnsupportedModelError for another graph or size, MissingExtraError without onnx.
    """
    found = restored(graph, config)
    read = _Reader(found.tensors, FAMILIES[found.config["model_type"]].prefix)
    sizes = _sizes(read, found, head, precision)
    sizes.check()
    return NativeWeights(
        sizes, (*_embeddings(read, found.config), *_layers(read, sizes, peaks), *_head(read, found, sizes))
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    tensors: Mapping[str, Floats]
    prefix: str

    def __call__(self, name: str) -> Floats:
        if not self.has(name):
            raise UnsupportedModelError(f"the native engine needs the tensor {name}, which the model has not")
        return self.tensors[name if name in self.tensors else self.prefix + name]

    def has(self, name: str) -> bool:
        return name in self.tensors or self.prefix + name in self.tensors


def _sizes(read: _Reader, found: Restored, head: Head, precision: Precision) -> Sizes:
    config, layers = found.config, 0
    while read.has(f"encoder.layer.{layers}.output.dense.weight"):
        layers += 1
    _, out, activation = _HEADS[config["model_type"]]
    has_labels = head == "classification"
    if not has_labels and found.pooling not in _VECTORS:
        raise UnsupportedModelError(
            "the native engine gives the mean over the tokens or the first of them; this graph gives something else"
        )
    return Sizes(
        layers=layers,
        hidden=int(config["hidden_size"]),
        heads=int(config["num_attention_heads"]),
        feed=int(config["intermediate_size"]),
        labels=len(read(f"{out}.bias")) if has_labels else 0,
        vocabulary=int(config["vocab_size"]),
        positions=int(config["max_position_embeddings"]) - _first_position(config),
        types=int(config["type_vocab_size"]),
        precision=precision.value,
        gives=activation if has_labels else _VECTORS[found.pooling],
        epsilon=float(config.get("layer_norm_eps", 1e-12)),
    )


def _first_position(config: Mapping[str, Any]) -> int:
    padding = config.get("pad_token_id")
    return (1 if padding is None else int(padding)) + 1 if config["model_type"] in _COUNTED else 0


def _embeddings(read: _Reader, config: Mapping[str, Any]) -> list[npt.NDArray[Any]]:
    words, positions, types = (
        read(f"embeddings.{kind}_embeddings.weight") for kind in ("word", "position", "token_type")
    )
    norm = np.stack([read(f"embeddings.LayerNorm.{part}") for part in ("weight", "bias")])
    return [words, positions[_first_position(config) :], types, norm]


def _layers(read: _Reader, sizes: Sizes, peaks: Peaks | None) -> list[npt.NDArray[Any]]:
    stems = [f"encoder.layer.{layer}." for layer in range(sizes.layers)]

    def products(weights: Iterable[Floats], peaks: Sequence[Floats] | None = None) -> _Products:
        if sizes.precision == Precision.INT16.value:
            return _Products.of([_in_shorts(weight) for weight in weights])
        if peaks:
            return _Products.of([_in_bytes(weight, peak) for weight, peak in zip(weights, peaks, strict=True)])
        return _Products.of([_in_bf16(weight) for weight in weights])

    def weights(name: str) -> Iterator[Floats]:  # one at a time, since all of them are as large as the model
        return (read(f"{stem}{name}.weight") for stem in stems)

    def biases(name: str) -> npt.NDArray[Any]:
        return np.stack([read(f"{stem}{name}.bias") for stem in stems])

    def norms(name: str) -> npt.NDArray[Any]:
        return np.stack([read(f"{stem}{name}.LayerNorm.{part}") for stem in stems for part in ("weight", "bias")])

    def projections(part: str) -> Iterator[Floats]:
        return (_qkv(read, f"{stem}attention.self.", part, sizes) for stem in stems)

    qkv = products(projections("weight"), peaks.qkv if peaks else None)
    mixed = products(weights("attention.output.dense"))
    fed = products(weights("intermediate.dense"), peaks.fed if peaks else None)
    out = products(weights("output.dense"))
    return [
        *(qkv.weights, np.stack([*projections("bias")])),
        *(mixed.weights, biases("attention.output.dense"), norms("attention.output")),
        *(fed.weights, biases("intermediate.dense")),
        *(out.weights, biases("output.dense"), norms("output")),
        *(qkv.scales, mixed.scales, fed.scales, out.scales),
        *(qkv.factors, fed.factors),
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Products:
    """One product in every layer; scales are empty where it is in bf16, factors where it is not in int8."""

    weights: npt.NDArray[Any]
    scales: Floats
    factors: Floats

    @classmethod
    def of(cls, layers: Sequence[tuple[npt.NDArray[Any], Floats, Floats]]) -> _Products:
        weights, scales, factors = (np.stack(parts) for parts in zip(*layers, strict=True))
        return cls(weights, scales, factors)


def _in_shorts(weight: Floats) -> tuple[npt.NDArray[np.int16], Floats, Floats]:
    """Return int16 panels of a weight `[outputs, inputs]`, and a scale an output, such that sums fit into 32 bits.

    Of each `_STEP` inputs the row of weights is at most `_LONGEST` long, and so are the inputs: no sum exceeds the
    square of that.
    """
    most = np.abs(weight).max(axis=1)
    parts = [weight[:, start : start + _STEP] for start in range(0, weight.shape[1], _STEP)]
    longest = np.max([np.linalg.norm(part, axis=1) for part in parts], axis=0)
    least = np.finfo(np.float32).tiny  # for outputs without weights
    scales = np.maximum(np.maximum(most / _LARGEST, longest / _LONGEST), least).astype(np.float32)
    values = np.round(weight / scales[:, None]).astype(np.int16)
    panels = values.reshape(-1, 16, weight.shape[1] // 2, 2).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(panels).ravel(), scales, _NOTHING


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


def _qkv(read: _Reader, stem: str, part: str, sizes: Sizes) -> Floats:
    """Put queries, keys and values on top of each other; the queries' scale turns scores into powers of two."""
    scale = np.float32(np.log2(np.e) / np.sqrt(sizes.hidden // sizes.heads))
    queries, keys, values = (read(f"{stem}{name}.{part}") for name in ("query", "key", "value"))
    return np.concatenate([queries * scale, keys, values])


def _in_bf16(weight: Floats) -> tuple[npt.NDArray[np.uint16], Floats, Floats]:
    """Return the weight `[outputs, inputs]` in the tiles' order, bf16 in 16-bit numbers."""
    turned = np.ascontiguousarray(weight.T, dtype=np.float32)  # [inputs, outputs]
    out = np.empty(turned.size, np.uint16)
    require("shortlist_native", extra="native").pack(turned, out, *turned.shape, False)
    return out, _NOTHING, _NOTHING


def _head(read: _Reader, found: Restored, sizes: Sizes) -> Sequence[npt.NDArray[Any]]:
    if not sizes.labels:
        return [_NOTHING] * 4
    dense, out, _ = _HEADS[found.config["model_type"]]
    return [read(f"{name}.{part}") for name in (dense, out) for part in ("weight", "bias")]
