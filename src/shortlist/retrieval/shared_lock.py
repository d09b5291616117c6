"""A lock between threads that many hold at once, or one alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class SharedLock:
    """Held by any number of threads at once, or by one alone, which those that come later let go first.

    A thread that holds it must not ask for it again.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._sharing = 0
        self._wanting = 0  # threads that hold it alone, or wait for it
        self._is_alone = False

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Hold the lock with others for a `with` block."""
        with self._changed:
            self._changed.wait_for(lambda: not self._wanting)
            self._sharing += 1
        try:
            yield
        finally:
            with self._changed:
                self._sharing -= 1
                self._changed.notify_all()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the lock alone for a `with` block."""
        with self._changed:
            self._wanting += 1
            try:
                self._changed.wait_for(lambda: not self._sharing and not self._is_alone)
            except BaseException:  # Ctrl-C while it waited
                self._wanting -= 1
                self._changed.notify_all()
                raise
            self._is_alone = True
        try:
            yield
        finally:
            with self._changed:
                self._is_alone = False
                self._wanting -= 1
                self._changed.notify_all()
