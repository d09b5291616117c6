"""How often and how much at once a key may ask."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from shortlist.errors import OverloadedError
from shortlist.server.keys import Key
from shortlist.types import Clock


@dataclass(slots=True)
class _Use:
    tokens: float
    filled_ms: float
    running: int = 0


class Quotas:
    """A token bucket and a count of running requests for every key that was seen.

    The bucket holds a second's worth of requests, at least one.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._uses: dict[str, _Use] = {}

    @contextmanager
    def using(self, key: Key) -> Iterator[None]:
        """Count a request while it runs; raises OverloadedError when the key may not ask now."""
        now = self._clock()
        burst = max(1.0, key.requests_per_s)
        use = self._uses.setdefault(key.name, _Use(burst, now))
        use.tokens = min(burst, use.tokens + (now - use.filled_ms) / 1000 * key.requests_per_s)
        use.filled_ms = now
        if key.concurrent and use.running >= key.concurrent:
            raise OverloadedError(f"the key {key.name} has {use.running} requests running, as many as it may")
        if key.requests_per_s and use.tokens < 1:
            pause_ms = (1 - use.tokens) / key.requests_per_s * 1000
            raise OverloadedError(
                f"the key {key.name} may ask {key.requests_per_s:g} times a second", retry_after_ms=pause_ms
            )
        if key.requests_per_s:  # a key without a limit is never filled up again, and may be given one later
            use.tokens -= 1
        use.running += 1
        try:
            yield
        finally:
            use.running -= 1
