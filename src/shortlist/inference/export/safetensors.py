"""The safetensors file format, https://github.com/huggingface/safetensors#format, read with numpy alone.

The package of that name gives bfloat16 to numpy only from its version 0.8 on, and only with ml_dtypes.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist.errors import CorruptModelError, UnsupportedModelError

Floats = npt.NDArray[np.float32]

_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_LARGEST_HEADER = 100_000_000  # bytes, as in the reference implementation


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a tensor stands: bytes `start` to `end` of a file, with the format's name of its type."""

    path: Path
    name: str
    kind: str
    shape: tuple[int, ...]
    start: int
    end: int

    def read(self) -> Floats:
        """Return the tensor as fp32. Raises UnsupportedModelError for types other than 16, 32 and 64-bit floats."""
        if self.kind not in _TYPES:
            raise UnsupportedModelError(
                f"{self.path}: the tensor {self.name!r} is of type {self.kind}; only checkpoints in"
                f" {', '.join(_TYPES)} can be exported, so fetch the unquantised model"
            )
        dtype = np.dtype(_TYPES[self.kind])
        count = math.prod(self.shape)
        if count * dtype.itemsize != self.end - self.start:
            raise _damaged(self.path, f"the tensor {self.name!r} has {self.end - self.start} bytes for {self.shape}")
        try:
            values = np.fromfile(self.path, dtype, count, offset=self.start).reshape(self.shape)
        except (OSError, ValueError) as error:
            raise _damaged(self.path, f"the tensor {self.name!r} cannot be read: {error}") from error
        if self.kind == "BF16":  # the upper half of an fp32
            return (values.astype(np.uint32) << 16).view(np.float32)
        return values.astype(np.float32, copy=False)


def list_tensors(path: Path) -> dict[str, Stored]:
    """Read the header of a file. Raises CorruptModelError when it is damaged or the file is shorter than it says."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(size - 8, _LARGEST_HEADER):
                raise _damaged(path, f"its header claims {length} bytes of {size}")
            header = json.loads(file.read(length))
        return {
            name: _stored(path, name, entry, 8 + length, size)
            for name, entry in header.items()
            if name != "__metadata__"
        }
    except (OSError, struct.error, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(path, repr(error)) from error


def _stored(path: Path, name: str, entry: Mapping[str, Any], start: int, size: int) -> Stored:
    first, last = (start + int(offset) for offset in entry["data_offsets"])
    if not start <= first <= last <= size:
        raise _damaged(path, f"the tensor {name!r} should end at byte {last} of {size}")
    return Stored(path, name, str(entry["dtype"]), tuple(int(side) for side in entry["shape"]), first, last)


def _damaged(path: Path, what: str) -> CorruptModelError:
    return CorruptModelError(f"{path} is damaged, truncated or missing ({what}); delete it and fetch the model again")
