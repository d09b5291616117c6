"""What the processor can do that matters for matrix products."""

from __future__ import annotations

import platform
from collections.abc import Set
from pathlib import Path

_FLAGS = ("amx_bf16", "amx_int8", "avx512_bf16", "avx512_vnni", "avx_vnni", "avx512f", "avx2")


def processor_features() -> set[str]:
    """Return the known instruction sets of this processor; empty where the system does not say."""
    if platform.machine().lower() in {"arm64", "aarch64"}:
        return {"neon"}
    flags = {flag for line in _cpu_info() if line.startswith("flags") for flag in line.split()}
    return flags & set(_FLAGS)


def processor_name() -> str:
    """Return the processor's name as the system gives it; the architecture where it gives none."""
    named = (line.partition(":")[2].strip() for line in _cpu_info() if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def _cpu_info() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:  # no Linux
        return []


def suits_kernel(features: Set[str]) -> bool:
    """Whether our own kernel is the fastest engine on such a processor: with AMX, and with AVX2 but no AVX-512.

    Against AVX-512 the kernel's AVX2 was not measured, so the libraries stay first there (docs/speed.md).
    """
    return "amx_bf16" in features or ("avx2" in features and "avx512f" not in features)


def sums_bytes_in_32_bits() -> bool:
    """Whether products of 8-bit numbers cannot overflow; no, when that cannot be found out."""
    return bool(processor_features() & {"avx512_vnni", "avx_vnni", "amx_int8", "neon"})
