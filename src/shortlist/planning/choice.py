"""Which of several models to run in what is left of a budget."""

from __future__ import annotations

from collections.abc import Sequence

from shortlist.planning.pace import Pace


def first_in_time(paces: Sequence[Pace], lengths: Sequence[int], *, left_ms: float) -> int | None:
    """Return the place of the first model whose P95 for all pairs is within what is left.

    Models stand best first. When none can finish, the last, cheapest one does what it
    can; None when that cannot end even one pair in time. A model of unknown pace counts as
    one that can.
    """
    for place, pace in enumerate(paces):
        if pace.predict_ms(lengths) <= left_ms:
            return place
    return len(paces) - 1 if paces and paces[-1].fitting(lengths, left_ms=left_ms) else None
