"""What tensors inside an ONNX graph are while it reads real batches, in fp32 on ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from shortlist._optional import require
from shortlist.inference.batches import Batch
from shortlist.inference.onnxruntime import OnnxRuntimeSession

Floats = npt.NDArray[np.float32]


def watched(graph: Path, names: Sequence[str], batches: Sequence[Batch]) -> Iterator[dict[str, Floats]]:
    """Yield, a batch at a time, what each of `names` was: `[tokens, width]`, padding left out."""
    onnx = require("onnx", extra="hub")
    model = onnx.load(str(graph))
    known = {output.name for output in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
    with TemporaryDirectory() as scratch:
        file = Path(scratch) / "model.onnx"
        onnx.save(model, str(file), save_as_external_data=True, location="model.bin")  # a file holds 2 GB at most
        del model
        session = OnnxRuntimeSession.load(file)
    for batch in batches:
        feeds = {name: getattr(batch, name) for name in session.inputs}
        values = dict(zip(session.outputs, session.run(feeds), strict=True))
        yield {name: real_tokens(values[name], batch) for name in names}


def real_tokens(values: Floats, batch: Batch) -> Floats:
    """Leave padding out: `[rows, length, width]` to `[tokens, width]`; what is of one position each has none."""
    mask = batch.attention_mask.astype(bool)
    has_padding = values.ndim == 3 and values.shape[:2] == mask.shape
    return values[mask] if has_padding else values.reshape(-1, values.shape[-1])
