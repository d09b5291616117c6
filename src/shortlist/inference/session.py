"""The seam to an inference runtime: one padded batch in, one output matrix out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from shortlist.errors import InputError
from shortlist.inference.batches import Batch

Output = npt.NDArray[np.float32]
Feeds = Mapping[str, npt.NDArray[Any]]
"""A graph's inputs by name."""

_DEVICE = re.compile(r"auto|cpu|cuda(:[0-9]+)?")


class Precision(str, Enum):
    """In which numbers the matrices are multiplied.

    `AUTO` is the fastest that keeps the order: bf16, int16 or fp32. `FP16` is torch's only; its largest number is
    65504. `INT16` is the native engine's only: rows with a scale each, and sums without rounding.
    """

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"
    INT16 = "int16"
    INT8 = "int8"


def check_device(name: str) -> None:
    """Raise InputError for what is no device's name; whether there is such a device is the runtime's to say."""
    if not _DEVICE.fullmatch(str(name)):
        raise InputError(f"device must be 'auto', 'cpu', 'cuda' or 'cuda:1' and its like; got {name!r}")


class Session(Protocol):
    """A loaded model on one runtime; `infer` may be called from several threads at once."""

    @property
    def engine(self) -> str:
        """The runtime's name and version."""
        ...

    @property
    def precision(self) -> Precision:
        """What is really computed in; never AUTO."""
        ...

    @property
    def device(self) -> str:
        """Where it computes: "cpu", "cuda:0"."""
        ...

    @property
    def streams(self) -> int:
        """How many `infer` calls run at once without slowing each other down."""
        ...

    def infer(self, batch: Batch) -> Output:
        """Return the model's first output `[rows, columns]` as fp32.

        Raises OutOfMemoryError when the batch is too large for the device, and the same
        rows in smaller batches may fit.
        """
        ...


class GraphSession(Session, Protocol):
    """A session whose graph may have other inputs than a batch's, and more outputs than one."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the graph's inputs."""
        ...

    @property
    def outputs(self) -> Mapping[str, tuple[int | None, ...]]:
        """The shapes of the graph's outputs by name, in its order; None is a size that varies."""
        ...

    def run(self, feeds: Feeds) -> list[Output]:
        """Return all outputs as fp32, in the graph's order; may be called from several threads at once."""
        ...
