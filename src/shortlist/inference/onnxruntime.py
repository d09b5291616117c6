"""Sessions on ONNX Runtime: fp32, or int8 by ranges measured beforehand, or else by dynamic quantisation."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shortlist._optional import require
from shortlist.errors import CorruptModelError, UnsupportedModelError
from shortlist.inference.batches import Batch
from shortlist.inference.cores import usable_cores
from shortlist.inference.session import Feeds, Output, Precision

_METHOD = 2  # of such graphs (onnxruntime_static.py); raised when the same texts would make another one
QUANTISED = f"quantised-{_METHOD}.onnx"
"""The name of a graph whose products are in int8 already; scores are kept under it, too."""

_ELSEWHERE = {Precision.BF16: "openvino", Precision.FP16: "torch", Precision.INT16: "native"}


class OnnxRuntimeSession:
    """An ONNX file on the CPU provider, one thread a call and as many calls at once as there are cores."""

    device = "cpu"

    def __init__(self, session: Any, *, engine: str, precision: Precision, streams: int) -> None:
        self._session = session
        self.inputs = tuple(port.name for port in session.get_inputs())
        self._narrow = {port.name for port in session.get_inputs() if port.type == "tensor(int32)"}
        self.outputs = {port.name: _sizes(port.shape) for port in session.get_outputs()}
        self.engine = engine
        self.precision = precision
        self.streams = streams

    @classmethod
    def load(
        cls, file: Path, *, precision: Precision = Precision.AUTO, threads: int | None = None
    ) -> OnnxRuntimeSession:
        """Open `file`; AUTO is fp32. Raises UnsupportedModelError for bf16, fp16 and int16, which it does not have."""
        onnxruntime = _without_telemetry()
        if precision in _ELSEWHERE:
            raise UnsupportedModelError(
                f"ONNX Runtime has no {precision.value} on the CPU; use precision='fp32',"
                f" or engine='{_ELSEWHERE[precision]}'"
            )
        resolved = Precision.INT8 if precision is Precision.INT8 else Precision.FP32
        source: str | bytes = str(file)
        if resolved is Precision.INT8 and file.name != QUANTISED:
            from shortlist.inference.onnxruntime_int8 import quantized

            source = quantized(file)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions share no public base class
            raise CorruptModelError(f"ONNX Runtime cannot read {file}: {error}") from error
        return cls(
            session,
            engine=f"onnxruntime {onnxruntime.__version__}" + (f" ({file.stem})" if file.name == QUANTISED else ""),
            precision=resolved,
            streams=threads or usable_cores(),
        )

    def infer(self, batch: Batch) -> Output:
        """Run one batch."""
        return self.run({name: getattr(batch, name) for name in self.inputs})[0]

    def run(self, feeds: Feeds) -> list[Output]:
        """Run a graph of any inputs and return all its outputs, as fp32."""
        typed = {name: one.astype(np.int32) if name in self._narrow else one for name, one in feeds.items()}
        return [np.asarray(values, dtype=np.float32) for values in self._session.run(None, typed)]


def _sizes(shape: Sequence[Any]) -> tuple[int | None, ...]:
    return tuple(size if isinstance(size, int) else None for size in shape)  # a size that varies has a name


def _without_telemetry() -> Any:
    """Import ONNX Runtime so that it sends nothing: since 1.32 it reports to its makers some seconds after a session.

    The variable is read at the first import, which may have been somebody else's; the call works at any time.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    onnxruntime = require("onnxruntime", extra="all")
    onnxruntime.disable_telemetry_events()
    return onnxruntime
