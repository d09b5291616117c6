"""Write a graph as `model.onnx`, with its constants beside it when they pass protobuf's limit."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from shortlist._optional import require
from shortlist.errors import ModelError
from shortlist.inference.export.graph import ONNX_FLOAT, ONNX_INT64, Array, Graph, Value

# Opset 20 is the first with Gelu, and IR version 9 came with it.
OPSET, IR_VERSION = 20, 9
# protobuf refuses messages of 2 GB; nodes and names need room too.
LARGEST_SINGLE_FILE = 1_500_000_000
_ALIGNMENT = 4096  # bytes; runtimes map constants only from page borders
_SMALL = 1024  # bytes; shapes and scalars stay in the graph, where runtimes look for them

Port = tuple[str, int, tuple[str | int, ...]]
"""An input: its name, ONNX's number of its type, its shape."""
Output = tuple[str, Value, tuple[str | int, ...]]
"""An output, which is fp32: its name, its value, its shape."""


def token_ports(names: Sequence[str]) -> list[Port]:
    """Return inputs of one int64 a token, `[batch, length]`."""
    return [(name, ONNX_INT64, ("batch", "length")) for name in names]


def save(
    graph: Graph,
    out: Path,
    *,
    inputs: Sequence[Port],
    outputs: Sequence[Output],
    notes: Mapping[str, str],
    name: str = "model.onnx",
    largest_single_file: int = LARGEST_SINGLE_FILE,
) -> Path:
    """Write `name` into the folder `out`, and `name` with `.data` when the constants are too large for one file.

    The model file is replaced last and at once, so an
    interrupted export leaves none or the old one. Raises ModelError when a file cannot be written.
    """
    onnx = require("onnx", extra="hub")
    path, data = out / name, out / f"{name}.data"
    apart = sum(array.nbytes for array in graph.constants.values()) > largest_single_file
    try:
        out.mkdir(parents=True, exist_ok=True)
        if apart:
            with _replacing(data) as file:
                constants = [_written(onnx, file, data.name, *item) for item in graph.constants.items()]
        else:
            constants = [onnx.numpy_helper.from_array(array, name) for name, array in graph.constants.items()]
        model = _model(onnx, graph, constants, inputs, outputs, notes)
        with _replacing(path) as file:
            file.write(model.SerializeToString(deterministic=True))
        if not apart:
            data.unlink(missing_ok=True)
    except OSError as error:
        raise ModelError(f"{path} cannot be written ({error}); free some space or choose another folder") from error
    return path


def _model(
    onnx: Any,
    graph: Graph,
    constants: list[Any],
    inputs: Sequence[Port],
    outputs: Sequence[Output],
    notes: Mapping[str, str],
) -> Any:
    make = onnx.helper
    named: list[tuple[str, tuple[str, ...], str, dict[str, Any]]] = [
        ("Identity", (value,), name, {}) for name, value, _ in outputs
    ]
    nodes = [
        make.make_node(kind, names, [result], name=result, **attributes)
        for kind, names, result, attributes in (*graph.nodes, *named)
    ]
    body = make.make_graph(
        nodes,
        "shortlist",
        [make.make_tensor_value_info(*port) for port in inputs],
        [make.make_tensor_value_info(name, ONNX_FLOAT, shape) for name, _, shape in outputs],
        constants,
    )
    model = make.make_model(
        body, producer_name="shortlist", ir_version=IR_VERSION, opset_imports=[make.make_opsetid("", OPSET)]
    )
    make.set_model_props(model, dict(notes))
    return model


def _written(onnx: Any, file: BinaryIO, location: str, name: str, array: Array) -> Any:
    """Append an array to the data file and return the tensor that points to it."""
    if array.nbytes < _SMALL:
        return onnx.numpy_helper.from_array(array, name)
    file.write(b"\0" * (-file.tell() % _ALIGNMENT))
    tensor = onnx.TensorProto(
        name=name,
        data_type=onnx.helper.np_dtype_to_tensor_dtype(array.dtype),
        dims=array.shape,
        data_location=onnx.TensorProto.EXTERNAL,
    )
    for key, value in (("location", location), ("offset", file.tell()), ("length", array.nbytes)):
        tensor.external_data.add(key=key, value=str(value))
    file.write(array.data)  # ONNX is little-endian, as every machine we run on
    return tensor


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of `path` when it is complete, and vanishes when it is not."""
    draft = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        with draft.open("wb") as file:
            yield file
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
