"""Plans as points in a plot of characters: latency to the right, quality upwards."""

from __future__ import annotations

import math
from collections.abc import Sequence

from shortlist.planning.plan import Plan

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def plot(plans: Sequence[Plan], *, p95_ms: float, width: int = 64, height: int = 12) -> list[str]:
    """Return lines that show each plan by its letter (the first is `a`), and the budget as a column of `|`.

    The scale of the latency is logarithmic, from 1 ms. Plans without figures have no point, nor
    do those after the 26th; where points meet, the first one's letter stands.
    """
    shown = [(letter, plan) for letter, plan in zip(LETTERS, plans, strict=False) if plan.quality is not None]
    if not shown:
        return []
    values = [plan.quality.value for _, plan in shown if plan.quality is not None]
    low, high = min(values), max(values)
    right = math.log(max(p95_ms, *(plan.p95_ms for _, plan in shown), 2.0))
    grid = [[" "] * width for _ in range(height)]

    def column(latency_ms: float) -> int:
        return round(math.log(max(1.0, latency_ms)) / right * (width - 1))

    for line in grid:
        line[column(p95_ms)] = "|"
    for letter, plan in reversed(shown):
        value = plan.quality.value if plan.quality is not None else low
        row = round((high - value) / (high - low) * (height - 1)) if high > low else 0
        grid[row][column(plan.p95_ms)] = letter
    labels = {0: f"{high:.3f}", height - 1: f"{low:.3f}"}
    body = [f"{labels.get(row, ''):>6} {''.join(line).rstrip()}" for row, line in enumerate(grid)]
    return [*body, f"{'':>6} 1 ms{f'{math.exp(right):.0f} ms':>{width - 4}}"]
