"""Models that a plan may use, measured here or known by figures that somebody gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shortlist.errors import InputError
from shortlist.planning.cost import CostModel

_NUMBERS = ("pairs_per_s", "at_tokens", "round_trip_ms", "p95_ratio", "price_per_query")


@dataclass(frozen=True, slots=True)
class Contender:
    """A model's name, what it costs in time, and what a query costs in money (in whichever currency)."""

    name: str
    cost: CostModel
    price_per_query: float = 0.0


def given_contender(name: str, figures: Mapping[str, Any]) -> Contender:
    """Make a contender of `pairs_per_s`, and `at_tokens`, `round_trip_ms`, `p95_ratio`, `price_per_query` if known.

    With `at_tokens`, the tokens of a pair that the speed was measured with, longer
    pairs take longer in proportion; without it every pair takes the same. Without a
    `p95_ratio` P95 is half as much again as the median. Raises InputError that names the figure.
    """
    unknown = sorted(set(figures) - set(_NUMBERS))
    if unknown:
        raise InputError(f"model {name!r}: unknown figure {unknown[0]!r}; known are {', '.join(_NUMBERS)}")
    numbers = {key: _number(name, key, value) for key, value in figures.items()}
    if "pairs_per_s" not in numbers:
        raise InputError(f"model {name!r} needs pairs_per_s, how many pairs it scores in a second")
    if numbers["pairs_per_s"] == 0 or numbers.get("at_tokens") == 0 or numbers.get("p95_ratio", 1) < 1:
        raise InputError(f"model {name!r}: pairs_per_s and at_tokens must be above 0, p95_ratio from 1; got {numbers}")
    by_pair = 1000 / numbers["pairs_per_s"]
    at_tokens = numbers.get("at_tokens")
    cost = CostModel(
        fixed_ms=numbers.get("round_trip_ms", 0.0),
        pair_ms=by_pair if at_tokens is None else 0.0,
        token_ms=by_pair / at_tokens if at_tokens is not None else 0.0,
        p95_ratio=numbers.get("p95_ratio", 1.5),
    )
    return Contender(name, cost, numbers.get("price_per_query", 0.0))


def parse_contender(text: str) -> Contender:
    """Read `NAME,pairs_per_s=200,round_trip_ms=20`, as the command line takes it."""
    name, *pairs = (part.strip() for part in text.split(","))
    if not name or not all("=" in pair for pair in pairs):
        raise InputError(f"a model's figures look like 'NAME,pairs_per_s=200,round_trip_ms=20', not {text!r}")
    return given_contender(name, dict(pair.split("=", 1) for pair in pairs))


def _number(name: str, key: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if isinstance(value, bool) or not 0 <= number < float("inf"):
        raise InputError(f"model {name!r}: {key} must be a number from 0, got {value!r}")
    return number
