"""Where torch computes, and in which numbers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from shortlist.errors import OutOfMemoryError, UnsupportedModelError
from shortlist.inference.forks import stay_in_process
from shortlist.inference.processor import processor_features
from shortlist.inference.session import Precision, check_device

_DTYPES = {Precision.FP32: torch.float32, Precision.BF16: torch.bfloat16, Precision.FP16: torch.float16}

# The processor's allocator raises a plain RuntimeError that can be told by its text only.
_NO_MEMORY = "DefaultCPUAllocator: can't allocate memory"


@dataclass(frozen=True, slots=True)
class Placement:
    """A device, and the precision of weights and arithmetic on it; never AUTO."""

    device: torch.device
    precision: Precision

    @property
    def dtype(self) -> torch.dtype:
        """The precision in torch's words."""
        return _DTYPES[self.precision]

    @classmethod
    def choose(cls, device: str, precision: Precision) -> Placement:
        """Take "auto" (a CUDA device when there is one), "cpu", "cuda" or "cuda:1", in a precision it can do.

        AUTO is bf16 where the device multiplies in it, and fp32 elsewhere. bf16 and fp16 on
        a processor that emulates them are allowed when asked for: they halve the memory.
        Raises InputError for an unknown device, UnsupportedModelError for one that is not
        there and for a precision that it cannot do, ModelError behind a fork.
        """
        stay_in_process("torch")
        chosen = _device(device)
        return cls(chosen, _precision(precision, chosen))


def _device(name: str) -> torch.device:
    check_device(name)
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    kind, _, number = name.partition(":")
    if kind == "cpu":
        return torch.device("cpu")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(number or 0) >= count:
        raise UnsupportedModelError(
            f"device={name!r}: torch {torch.__version__} sees {count} CUDA devices; use device='cpu' or 'auto',"
            " or install a build of torch for your GPU"
        )
    return torch.device(f"cuda:{int(number or 0)}")


def _precision(asked: Precision, device: torch.device) -> Precision:
    if asked in {Precision.INT8, Precision.INT16}:
        raise UnsupportedModelError(
            f"engine='torch' has no {asked.value}; use 'fp32', 'bf16' or 'fp16', or another engine"
        )
    if device.type == "cuda":
        has_bf16 = bool(torch.cuda.get_device_capability(device) >= (8, 0))  # Ampere
        if asked is Precision.BF16 and not has_bf16:
            raise UnsupportedModelError(f"{torch.cuda.get_device_name(device)} has no bf16; use 'fp16' or 'fp32'")
    else:
        has_bf16 = bool(processor_features() & {"amx_bf16", "avx512_bf16"})
    if asked is Precision.AUTO:
        return Precision.BF16 if has_bf16 else Precision.FP32
    return asked


@contextlib.contextmanager
def memory_errors() -> Iterator[None]:
    """Turn torch's out-of-memory errors, and no other error, into OutOfMemoryError."""
    try:
        yield
    except RuntimeError as error:
        if not (isinstance(error, torch.OutOfMemoryError) or _NO_MEMORY in str(error)):
            raise
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        raise OutOfMemoryError(
            f"one sequence does not fit into memory ({str(error).splitlines()[0]});"
            " lower max_length, use precision='bf16', or a larger device"
        ) from error
