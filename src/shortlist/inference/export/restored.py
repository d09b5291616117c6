"""A graph that our own export made of a model like BERT, read back as the checkpoint and the configuration it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist._optional import require
from shortlist.errors import CorruptModelError, UnsupportedModelError
from shortlist.inference.export.families import FAMILIES
from shortlist.inference.export.graph import from_nibbles
from shortlist.inference.export.safetensors import Floats

BERT_LIKE = ("bert", "camembert", "electra", "roberta", "xlm-roberta")
"""The families whose layers are BERT's, under BERT's names."""

_TURNED = (".query.weight", ".key.weight", ".value.weight", "dense.weight", "classifier.weight", "out_proj.weight")
_TENSORS = ("embeddings.", "encoder.", "pooler.", "classifier.")  # all else are shapes and numbers of the graph
_QUERY, _SCALE = "attention.self.query", ".scale"

# What a vector's length is divided out of, as `inference.export.heads` draws it: a sum over the mask by the number of
# tokens, or position 0 without its axis.
_POOLINGS = {"Div": "mean", "Squeeze": "cls"}


@dataclass(frozen=True, slots=True)
class Restored:
    """The tensors of a graph's checkpoint, read when they are asked for, and its whole configuration.

    `pooling` is how hidden states become a vector, "mean" or "cls"; empty where they become something else.
    """

    tensors: Mapping[str, Floats]
    config: dict[str, Any]
    pooling: str


def restored(file: Path, config: Mapping[str, Any]) -> Restored:
    """Read a graph; `config` is what stands beside it.

    Weights are as they are stored: fp16 or int8 ones are what they were rounded to. Raises UnsupportedModelError for
    a graph that is not ours, or of another architecture, MissingExtraError without onnx.
    """
    onnx = require("onnx", extra="hub")
    model = onnx.load(str(file), load_external_data=False)
    notes = {note.key: note.value for note in model.metadata_props}
    kind, has_head = notes.get("shortlist.model_type"), notes.get("shortlist.head") == "classification"
    if kind not in BERT_LIKE:
        raise UnsupportedModelError(f"{file} is no graph that shortlist exported of a {', '.join(BERT_LIKE)} model")
    constants = _Constants(onnx, file.parent, {one.name: one for one in model.graph.initializer})
    family = FAMILIES[kind]
    heads, size = _heads(constants)
    # of a weight in four bits the inputs' side is half as long, and the outputs', which is second, is whole
    feed, hidden = (constants.shape(f"encoder.layer.0.{part}.dense.weight")[1] for part in ("intermediate", "output"))
    whole = {
        **config,
        "architectures": [family.classifier if has_head else f"{family.stem}Model"],
        "model_type": kind,
        "vocab_size": constants.shape("embeddings.word_embeddings.weight")[0],
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "intermediate_size": feed,
        "max_position_embeddings": constants.shape("embeddings.position_embeddings.weight")[0],
        "type_vocab_size": constants.shape("embeddings.token_type_embeddings.weight")[0],
    }
    prefix = family.prefix if has_head else ""
    kept = [name for name in constants.protos if name.startswith(_TENSORS) and not name.endswith(_SCALE)]
    names = {name if name.startswith("classifier.") else f"{prefix}{name}": name for name in kept}
    return Restored(_Tensors(constants, names, size**0.5), whole, _pooling(model.graph))


@dataclass(frozen=True, slots=True)
class _Constants:
    """A graph's constants by name; those in a file beside it are mapped into memory."""

    onnx: Any
    folder: Path
    protos: Mapping[str, Any]

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.protos[name].dims)

    def values(self, name: str) -> npt.NDArray[Any]:
        """Return a constant's values: those of 8 and 4 bits times their scales (`inference.export.graph`)."""
        values, scale = self._stored(name), self.protos.get(name + _SCALE)
        if scale is None:
            return values
        scales = self._stored(scale.name)
        if values.dtype == np.uint8:
            by_row = len(values) == len(scales)  # a table; the weights of a linear layer are turned around
            return from_nibbles(values, scales) if by_row else from_nibbles(values.T, scales.T).T
        return np.asarray(values.astype(np.float32) * scales)

    def _stored(self, name: str) -> npt.NDArray[Any]:
        proto = self.protos[name]
        if proto.data_location != proto.EXTERNAL:
            return np.asarray(self.onnx.numpy_helper.to_array(proto))
        said = {entry.key: entry.value for entry in proto.external_data}
        file = self.folder / Path(said["location"]).name
        dtype = self.onnx.helper.tensor_dtype_to_np_dtype(proto.data_type)
        try:
            return np.memmap(file, dtype, "r", int(said["offset"]), tuple(proto.dims))
        except (OSError, ValueError) as error:
            raise CorruptModelError(f"{file} does not hold {name!r} ({error}); delete it and start again") from error


@dataclass(frozen=True, slots=True, eq=False)
class _Tensors(Mapping[str, Floats]):
    """A checkpoint's tensors; `names` are theirs, each with the constant's that it is made of.

    The export turns the weights of linear layers around, and scales the queries' by one over the
    root of a head's size (`inference.export.layers`); both are undone here.
    """

    constants: _Constants
    names: Mapping[str, str]
    query_scale: float

    def __getitem__(self, name: str) -> Floats:
        own = self.names[name]
        values = self.constants.values(own).astype(np.float32, copy=False)
        if own.endswith(_TURNED):
            values = values.T
        if _QUERY in own:
            values = values * np.float32(self.query_scale)
        return np.ascontiguousarray(values)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def _heads(constants: _Constants) -> tuple[int, int]:
    """Read the number of heads and their size off the constant that splits the queries: (0, -1, heads, size)."""
    for name in constants.protos:
        if name.startswith("ints_0_-1_") and constants.shape(name) == (4,):
            _, _, heads, size = constants.values(name).tolist()
            return heads, size
    raise UnsupportedModelError("the graph splits no attention heads, so it is none that shortlist exported")


def _pooling(graph: Any) -> str:
    """Follow the output back: what stands there under its own name, divided by its length, is the vector."""
    made = {node.output[0]: node for node in graph.node}
    scaled = made[made[graph.output[0].name].input[0]]
    vector = made.get(scaled.input[0])
    return _POOLINGS.get(vector.op_type, "") if vector is not None and scaled.op_type == "Div" else ""
