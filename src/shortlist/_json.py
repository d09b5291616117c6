"""JSON whose numbers can all be counted with."""

from __future__ import annotations

import json
import math
from typing import Any


def finite_json(text: str) -> Any:
    """Return the value of a JSON text; raises ValueError for NaN, infinity and 1e400 too, or RecursionError."""
    return json.loads(text, parse_constant=_finite, parse_float=_finite)


def _finite(number: str) -> float:
    if not math.isfinite(value := float(number)):
        raise ValueError(f"{number:.40} is no finite number; write null")
    return value
