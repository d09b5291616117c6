"""What an encoder's work is in operations, and how many of them this machine's matrix unit does in a second."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

PRECISIONS = ("fp32", "bf16", "int8")
_ROWS = 1024
_WIDTHS = (384, 384, 384, 384, 384, 1536, 384) * 2  # of MiniLM's layers, one behind another


@dataclass(frozen=True, slots=True)
class Encoder:
    """A BERT's sizes; `feed` is the width inside the feed-forward network."""

    layers: int
    hidden: int
    feed: int

    @classmethod
    def load(cls, folder: Path) -> Encoder:
        """Read a folder's `config.json`."""
        config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return cls(config["num_hidden_layers"], config["hidden_size"], config["intermediate_size"])

    def operations(self, lengths: Sequence[int], *, first_only: bool = True) -> float:
        """Count multiplications and additions for sequences of these lengths, without padding.

        `first_only`: the last layer gives position 0 alone, so that there only keys and values are made of all.
        """
        hidden, feed = self.hidden, self.feed
        dense = 8 * hidden * hidden + 4 * hidden * feed  # a token: four projections, two of the feed-forward network
        total = 0.0
        for length in lengths:
            mixing = 4 * length * hidden  # a position: its products with all keys, and with all values
            whole = length * (dense + mixing)
            last = length * 4 * hidden * hidden + (dense - 4 * hidden * hidden) + mixing if first_only else whole
            total += (self.layers - 1) * whole + last
        return total


def machine_rates(*, seconds: float = 1.0) -> dict[str, float]:
    """Return GFLOP/s of OpenVINO's products at the layers' shapes, by precision, in a process of its own.

    Numbers between products are quantised anew for int8, as in a model. What this processor lacks is left out.
    """
    command = [sys.executable, "-m", "benchmarks.speed.roofline", str(seconds)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    rates: dict[str, float] = json.loads(found.stdout)
    return rates


def _measure(seconds: float) -> dict[str, float]:
    import openvino

    from shortlist.inference.cores import usable_cores

    core = openvino.Core()
    has_bf16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    rows = np.random.default_rng(0).normal(size=(_ROWS, _WIDTHS[0])).astype(np.float32)
    work = 2 * _ROWS * sum(width * out for width, out in pairwise(_WIDTHS))
    rates = {}
    for precision in PRECISIONS if has_bf16 else ("fp32", "int8"):
        options = {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            "INFERENCE_NUM_THREADS": usable_cores(),
        }
        request = core.compile_model(_products(precision == "int8"), "CPU", options).create_infer_request()
        taken: list[float] = []
        until = time.perf_counter() + seconds
        while time.perf_counter() < until or len(taken) < 5:
            began = time.perf_counter()
            request.infer([rows])
            taken.append(time.perf_counter() - began)
        rates[precision] = work / sorted(taken)[len(taken) // 2] / 1e9
    return rates


def _products(is_int8: bool) -> Any:
    """Return products one behind another, of which each output is the next one's input."""
    import openvino
    from openvino import opset13 as ops

    rng = np.random.default_rng(0)
    first = ops.parameter([_ROWS, _WIDTHS[0]], np.float32)
    values = first
    for width, out in pairwise(_WIDTHS):
        weight = (rng.normal(size=(width, out)) / width**0.5).astype(np.float32)
        values = ops.matmul(
            _rounded(values, 256) if is_int8 else values,
            _rounded(ops.constant(weight), 255) if is_int8 else ops.constant(weight),
            False,
            False,
        )
    return openvino.Model([values], [first])


def _rounded(values: Any, levels: int) -> Any:
    from openvino import opset13 as ops

    low, high = np.float32(-4), np.float32(4 * 127 / 128 if levels == 256 else 4)
    ends = [ops.constant(end) for end in (low, high, low, high)]
    return ops.fake_quantize(values, *ends, levels)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_measure(float(sys.argv[1]))))
