"""Progress of a long run on stderr, with the minutes that are left."""

from __future__ import annotations

import sys
import time


def tell(text: str) -> None:
    """Write one line to stderr at once."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stderr.flush()


class Progress:
    """Counts units of work and tells every `every_s` seconds, and at the end, how many are done."""

    def __init__(self, what: str, total: int, *, unit: str, every_s: float = 15.0) -> None:
        self._what, self._total, self._unit, self._every_s = what, total, unit, every_s
        self._done = 0
        self._began = self._told = time.monotonic()
        tell(f"{what}: {total} {unit}")

    def step(self, count: int = 1) -> None:
        """Add finished units."""
        self._done += count
        now = time.monotonic()
        if now - self._told < self._every_s and self._done < self._total:
            return
        self._told = now
        per_unit = (now - self._began) / self._done
        left = per_unit * (self._total - self._done) / 60
        tell(f"{self._what}: {self._done}/{self._total} {self._unit}, {per_unit:.2f} s each, {left:.1f} min left")
