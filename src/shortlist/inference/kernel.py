"""The native kernel's module, and in what it computes on this machine; nothing of a model is read here."""

from __future__ import annotations

from typing import Any

from shortlist._optional import require
from shortlist.errors import MissingExtraError, UnsupportedModelError
from shortlist.inference.session import Precision

VERSION = "0.3.0"  # of the kernel, which takes a model as `native_weights` packs it


def resolved(precision: Precision) -> Precision:
    """Return in what the kernel computes here when asked for `precision`.

    Raises UnsupportedModelError where it cannot, MissingExtraError where the kernel is not installed.
    """
    here = kernel().precisions()
    if precision is Precision.AUTO and here:
        return Precision(here[0])
    if precision.value in here:
        return precision
    if precision in {Precision.FP32, Precision.FP16}:
        raise UnsupportedModelError(
            f"the native engine computes in bf16, int8 or int16; got precision={precision.value!r}"
        )
    advice = "precision='auto'" if here else "engine='auto'"
    raise UnsupportedModelError(
        f"the native engine needs Linux on x86-64, with AMX (and Linux 5.16 or later) for bf16 and int8, with AVX2 for"
        f" int16; this machine allows {', '.join(here) or 'none of them'}; use {advice}"
    )


def kernel() -> Any:
    """Import the kernel. Raises MissingExtraError when it is not installed, or in another version only."""
    found = require("shortlist_native", extra="native")
    if found.__version__ != VERSION:
        raise MissingExtraError(
            f"shortlist_native is installed as {found.__version__}, and {VERSION} is needed."
            " Install it with: pip install 'shortlist[native]'"
        )
    return found
