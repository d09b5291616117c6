"""A graph that our own export made of a BERT model, read back as the checkpoint and the configuration it came from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist._optional import require
from shortlist.errors import UnsupportedModelError
from shortlist.inference.export.graph import from_nibbles
from shortlist.inference.export.safetensors import Floats

_TURNED = (".query.weight", ".key.weight", ".value.weight", "dense.weight", "classifier.weight")
_QUERY, _SCALE = "attention.self.query", ".scale"


def restored(file: Path, config: Mapping[str, Any]) -> tuple[dict[str, Floats], dict[str, Any]]:
    """Return the tensors of a graph's checkpoint and its whole configuration; `config` is what stands beside the graph.

    Weights are as they are stored: fp16 or int8 ones are what they were rounded to. Raises UnsupportedModelError for
    a graph that is not ours, or of another architecture, MissingExtraError without onnx.
    """
    onnx = require("onnx", extra="hub")
    graph = onnx.load(str(file))
    notes = {note.key: note.value for note in graph.metadata_props}
    if notes.get("shortlist.model_type") != "bert":
        raise UnsupportedModelError(f"{file} is no graph that shortlist exported of a BERT model")
    arrays = {one.name: onnx.numpy_helper.to_array(one) for one in graph.graph.initializer}
    arrays = {name: _unpacked(arrays, name) for name in arrays if not name.endswith(_SCALE)}
    return checkpoint_of(arrays, config, has_head=notes.get("shortlist.head") == "classification")


def _unpacked(arrays: Mapping[str, npt.NDArray[Any]], name: str) -> npt.NDArray[Any]:
    """Return a constant's values: those of 8 and 4 bits times their scales (`inference.export.graph`), others as is."""
    values, scale = arrays[name], arrays.get(name + _SCALE)
    if scale is None:
        return values
    if values.dtype == np.uint8:
        by_row = len(values) == len(scale)  # a table; the weights of a linear layer are turned around
        return from_nibbles(values, scale) if by_row else from_nibbles(values.T, scale.T).T
    return np.asarray(values.astype(np.float32) * scale)


def checkpoint_of(
    arrays: Mapping[str, npt.NDArray[Any]], config: Mapping[str, Any], *, has_head: bool
) -> tuple[dict[str, Floats], dict[str, Any]]:
    """Turn an exported graph's constants back into a checkpoint's tensors and its whole configuration.

    The export turns the weights of linear layers around, and scales the queries' by one over the
    root of a head's size (`inference.export.layers`); both are undone here.
    """
    heads, size = _heads(arrays)
    tensors: dict[str, Floats] = {}
    for name, values in arrays.items():
        if not name.startswith(("embeddings.", "encoder.", "pooler.", "classifier.")):
            continue  # shapes and numbers of the graph
        tensor = values.astype(np.float32)
        if name.endswith(_TURNED):
            tensor = tensor.T
        if _QUERY in name:
            tensor = tensor * np.float32(size**0.5)
        prefix = "" if not has_head or name.startswith("classifier.") else "bert."
        tensors[prefix + name] = np.ascontiguousarray(tensor)
    feed = arrays["encoder.layer.0.intermediate.dense.weight"].shape[1]
    whole = {
        **config,
        "architectures": ["BertForSequenceClassification" if has_head else "BertModel"],
        "model_type": "bert",
        "num_attention_heads": heads,
        "intermediate_size": feed,
        "max_position_embeddings": len(arrays["embeddings.position_embeddings.weight"]),
        "type_vocab_size": len(arrays["embeddings.token_type_embeddings.weight"]),
    }
    return tensors, whole


def _heads(arrays: Mapping[str, npt.NDArray[Any]]) -> tuple[int, int]:
    """Read the number of heads and their size off the constant that splits the queries: (0, -1, heads, size)."""
    for name, values in arrays.items():
        if name.startswith("ints_0_-1_") and values.shape == (4,):
            return int(values[2]), int(values[3])
    raise UnsupportedModelError("the graph splits no attention heads, so it is none that shortlist exported")
