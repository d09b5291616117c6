"""What an encoder's work is in operations, and how many of them this machine's matrix unit does in a second."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PRECISIONS = ("fp32", "bf16")
_ROWS = 1024
_PRODUCTS = ((384, 384), (384, 1536), (1536, 384))  # of MiniLM's layers: width in, width out


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
    """Return GFLOP/s of torch's products at the layers' shapes, by precision, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.speed.roofline", str(seconds)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    rates: dict[str, float] = json.loads(found.stdout)
    return rates


def _measure(seconds: float) -> dict[str, float]:
    import torch

    from shortlist.inference.cores import usable_cores

    torch.set_num_threads(usable_cores())
    rates = {}
    for precision, dtype in zip(PRECISIONS, (torch.float32, torch.bfloat16), strict=True):
        products = [
            (torch.randn(_ROWS, width, dtype=dtype), torch.nn.Linear(width, out, dtype=dtype))
            for width, out in _PRODUCTS
        ]
        work = sum(2 * _ROWS * width * out for width, out in _PRODUCTS)
        with torch.inference_mode():
            taken: list[float] = []
            until = time.perf_counter() + seconds
            while time.perf_counter() < until or len(taken) < 5:
                began = time.perf_counter()
                for rows, layer in products:
                    layer(rows)
                taken.append(time.perf_counter() - began)
        rates[precision] = work / sorted(taken)[len(taken) // 2] / 1e9
    return rates


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_measure(float(sys.argv[1]))))
