"""When a request is sent again, and after which pause: pure functions of values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from shortlist.errors import InputError

# Scoring changes nothing on the server, so a request may be sent again whatever became of the first.
RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, 529})


@dataclass(frozen=True, slots=True)
class Policy:
    """What one scoring call may take: all of it, one attempt, how many more attempts, and the pauses between.

    Raises InputError when a number is out of its range.
    """

    budget_ms: float = 30_000
    attempt_budget_ms: float = 10_000
    retries: int = 3
    first_pause_ms: float = 500
    longest_pause_ms: float = 8_000

    def __post_init__(self) -> None:
        if min(self.budget_ms, self.attempt_budget_ms) <= 0 or min(self.retries, self.first_pause_ms) < 0:
            raise InputError(
                "budget_ms and attempt_budget_ms must be above 0, retries and first_pause_ms from 0;"
                f" got {self.budget_ms}, {self.attempt_budget_ms}, {self.retries}, {self.first_pause_ms}"
            )


def is_retried(status: int) -> bool:
    """Say whether an answer of this HTTP status may be another one a little later."""
    return status in RETRIED_STATUSES


def retry_after_ms(header: str | None, *, now: datetime) -> float | None:
    """Read a Retry-After header, in seconds or as an HTTP date (RFC 9110, 10.2.3); None when it says nothing."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9]) * 1000  # nine digits are 31 years
    try:
        instant = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=timezone.utc)
    return max(0.0, (instant - now).total_seconds() * 1000)


def pause_ms(policy: Policy, *, failures: int, asked_ms: float | None, left_ms: float, random: float) -> float | None:
    """Return the pause before the next attempt, or None when there is to be none.

    Full jitter: `random` (0..1) of a pause that doubles with every failure (Brooker 2015,
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). A server that
    asks for a pause gets at least that, and a part of the first pause on top, so that those
    whom it told the same do not come back together. None after the last retry, or when the pause
    would end at or after what is `left_ms` of the budget.
    """
    if failures > policy.retries:
        return None
    jittered = random * min(policy.longest_pause_ms, policy.first_pause_ms * 2.0 ** (failures - 1))
    asked = 0.0 if asked_ms is None else asked_ms + random * policy.first_pause_ms
    pause = max(jittered, asked)
    return pause if pause < left_ms else None
