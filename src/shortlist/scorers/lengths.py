"""How many tokens a scorer reads at most: as many as its model, or fewer, as asked."""

from __future__ import annotations

from shortlist.errors import InputError


def limit_of(*limits: int, asked: int | None) -> int:
    """Return the lowest of the limits and of the one that is asked for; raises as `check_length` does."""
    check_length(asked)
    return min(limits if asked is None else (*limits, asked))


def check_length(max_length: object) -> None:
    """Raise InputError for a `max_length` that is neither None nor a whole number from 1."""
    if max_length is None:
        return
    if isinstance(max_length, bool) or not isinstance(max_length, int) or max_length < 1:
        raise InputError(
            "max_length must be a whole number of tokens from 1, or left out for as many as the model reads;"
            f" got {max_length!r}"
        )
