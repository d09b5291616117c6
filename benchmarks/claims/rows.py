"""A claim, our figure with its interval, and whether they agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from shortlist.evaluation.report.markdown import table

AGREES, DISAGREES, OPEN, NOT_MEASURED = "agrees", "disagrees", "open", "not measured"


@dataclass(frozen=True, slots=True)
class Claimed:
    """The range of values that a claim allows; without an end it reaches to infinity."""

    low: float = -math.inf
    high: float = math.inf


@dataclass(frozen=True, slots=True)
class Row:
    """One claim. `verdict` follows from the interval; `how` says on what it was measured, or why it was not."""

    claim: str
    figure: str
    value: float
    low: float
    high: float
    verdict: str
    how: str


def measured(claim: str, claimed: Claimed, value: float, interval: tuple[float, float], *, unit: str, how: str) -> Row:
    """Make a row of a figure: the claim is kept if the whole interval is in its range, broken if none of it is."""
    low, high = interval
    figure = f"{_number(value)}{unit} ({_number(low)} to {_number(high)})"
    return Row(claim, figure, value, low, high, verdict(claimed, low, high), how)


def not_measured(claim: str, why: str) -> Row:
    """Make a row of what cannot be measured here."""
    return Row(claim, "-", math.nan, math.nan, math.nan, NOT_MEASURED, why)


def verdict(claimed: Claimed, low: float, high: float) -> str:
    """Return "agrees", "disagrees", or "open" where the interval leaves both possible.

    The range's ends do not belong to it: an interval that begins at no gain at all shows none.
    """
    if claimed.low < low and high < claimed.high:
        return AGREES
    return DISAGREES if high <= claimed.low or low >= claimed.high else OPEN


def as_table(rows: Sequence[Row]) -> str:
    """Return the rows as Markdown."""
    header = ["claim", "our figure (95 % interval)", "verdict", "how"]
    return table(header, [[row.claim, row.figure, row.verdict, row.how] for row in rows])


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
