"""Sessions on OpenVINO: several one-thread streams, bf16 where the processor has it."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from shortlist._optional import require
from shortlist.errors import CorruptModelError, UnsupportedModelError
from shortlist.inference.batches import Batch
from shortlist.inference.cores import usable_cores
from shortlist.inference.forks import stay_in_process
from shortlist.inference.session import Feeds, Output, Precision


class OpenVinoSession:
    """An ONNX file or OpenVINO IR compiled for the CPU; one infer request a thread."""

    device = "cpu"

    def __init__(self, compiled: Any, *, engine: str, precision: Precision, streams: int) -> None:
        self._compiled = compiled
        self.inputs = tuple(port.get_any_name() for port in compiled.inputs)
        self.outputs = {own_name(port): _sizes(port.get_partial_shape()) for port in compiled.outputs}
        self._local = threading.local()
        self.engine = engine
        self.precision = precision
        self.streams = streams

    @classmethod
    def load(cls, file: Path, *, precision: Precision = Precision.AUTO, threads: int | None = None) -> OpenVinoSession:
        """Compile `file`, with one stream a core; what was compiled before is taken from the cache.

        Raises UnsupportedModelError when `precision` is bf16 and the processor has no
        bf16 arithmetic: it would be emulated, and slower than fp32. So it does for fp16 and int16. For int8 a file of
        `save_quantised` is run as it is, with bf16 or fp32 between its products; of others the weights become int8.
        """
        stay_in_process("OpenVINO")
        openvino = _without_telemetry()
        core = openvino.Core()
        capabilities = set(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
        resolved = _resolve(precision, capabilities)
        streams = threads or usable_cores()
        source: Any = str(file)
        try:
            between = resolved
            if resolved is Precision.INT8:
                from shortlist.inference.openvino_int8 import compress_weights, is_quantised

                source = core.read_model(source)
                if is_quantised(source):
                    between = _resolve(Precision.AUTO, capabilities)
                else:
                    compress_weights(source)
            options = _options(between, streams)
            compiled = core.compile_model(source, "CPU", {**options, **_cache(options)})
        except RuntimeError as error:
            raise CorruptModelError(f"OpenVINO cannot read {file}: {error}") from error
        _bind_numpy(openvino)
        return cls(
            compiled, engine=f"openvino {openvino.__version__.split('-')[0]}", precision=resolved, streams=streams
        )

    def infer(self, batch: Batch) -> Output:
        """Run one batch."""
        return self.run({name: getattr(batch, name) for name in self.inputs})[0]

    def run(self, feeds: Feeds) -> list[Output]:
        """Run a graph of any inputs and return all its outputs, as fp32."""
        stay_in_process("OpenVINO")
        request = getattr(self._local, "request", None)
        if request is None:
            request = self._local.request = self._compiled.create_infer_request()
        return [np.array(values, dtype=np.float32) for values in request.infer(dict(feeds)).values()]


def own_name(port: Any) -> str:
    """Return the graph's own name of an output: a compiled port has that of the node behind it, too, in no order."""
    own = str(port.get_node().get_friendly_name()).partition("/sink_port_")[0]
    return own if own in port.get_names() else str(port.get_any_name())


def _sizes(shape: Any) -> tuple[int | None, ...]:
    return tuple(size.get_length() if size.is_static else None for size in shape)


def _without_telemetry() -> Any:
    """Import OpenVINO so that it sends nothing: its import reports itself to Google Analytics.

    It has a stub for installs without the package that does so, and takes it when that cannot be imported.
    """
    sender = "openvino_telemetry"
    if sender in sys.modules:
        return require("openvino", extra="openvino")
    sys.modules[sender] = None  # type: ignore[assignment]  # as Python documents it, its import now fails
    try:
        return require("openvino", extra="openvino")
    finally:
        sys.modules.pop(sender, None)


def _bind_numpy(openvino: Any) -> None:
    """Let the bindings look numpy up now, in one thread.

    They do so at the first tensor's first use, behind a C++ static that is guarded without
    letting the GIL go: two threads that come to it first together wait for each other for ever.
    """
    _ = openvino.Tensor(np.zeros(1, dtype=np.float32)).data


def _cache(options: Mapping[str, Any]) -> dict[str, str]:
    """Where OpenVINO keeps compiled models; nothing if that is not writable. Every set of options has its own folder.

    OpenVINO 2026.4 names a compiled model by its file alone, and takes one that was compiled for fp32 when bf16 is
    asked for, which then computes NaN.
    """
    from platformdirs import user_cache_path

    made_for = "-".join(f"{value}" for _, value in sorted(options.items()))
    folder = user_cache_path("shortlist") / "compiled" / made_for.lower()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return {}
    return {"CACHE_DIR": str(folder)} if os.access(folder, os.W_OK) else {}


def _resolve(asked: Precision, capabilities: set[str]) -> Precision:
    if asked is Precision.AUTO:
        return Precision.BF16 if "BF16" in capabilities else Precision.FP32
    if asked in {Precision.FP16, Precision.INT16}:
        engine = "torch" if asked is Precision.FP16 else "native"
        raise UnsupportedModelError(
            f"OpenVINO has no {asked.value} on the CPU; use precision='auto' or engine={engine!r}"
        )
    if asked is Precision.BF16 and "BF16" not in capabilities:
        raise UnsupportedModelError(
            "this processor has no bf16 arithmetic (OpenVINO reports "
            f"{', '.join(sorted(capabilities))}); use precision='auto' or 'fp32'"
        )
    return asked


def _options(precision: Precision, streams: int) -> dict[str, Any]:
    return {
        "INFERENCE_PRECISION_HINT": "bf16" if precision is Precision.BF16 else "f32",
        "PERFORMANCE_HINT": "THROUGHPUT",
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": streams,
        # Weights stored in int8 are no wish for int8 arithmetic: 0 keeps activations as they are.
        **({} if precision is Precision.INT8 else {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}),
    }
