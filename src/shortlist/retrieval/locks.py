"""Locks between processes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from shortlist.errors import IndexLockedError, StoreError

Mode = Literal["shared", "exclusive"]


class ProcessLock:
    """A lock on a file: many hold it shared, or one exclusively. The system frees it when its holder dies.

    SQLite's own file locks do the work, since they are the same on every platform and
    the standard library has no other portable ones. They also exclude a second holder
    within one process, and a forked child does not inherit them.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: sqlite3.Connection | None = None

    def acquire(self, mode: Mode, *, timeout_s: float = 0.0) -> None:
        """Take the lock, waiting at most `timeout_s`. Raises IndexLockedError when others keep it, StoreError."""
        try:
            connection = self._opened(mode, timeout_s)
        except (OSError, sqlite3.OperationalError) as error:
            advice = "look whether its folder is still there and may be written"
            raise StoreError(f"cannot open the lock {self._path} ({error}); {advice}") from error
        try:
            connection.execute("BEGIN EXCLUSIVE" if mode == "exclusive" else "BEGIN")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
        except sqlite3.OperationalError as error:
            connection.close()
            raise IndexLockedError(f"{self._path} is held by another process ({error})") from error
        self._held = connection

    def _opened(self, mode: Mode, timeout_s: float) -> sqlite3.Connection:
        if mode == "shared" and not self._path.exists():
            self._path.touch()
        address = f"{self._path.absolute().as_uri()}?mode={'rwc' if mode == 'exclusive' else 'ro'}"
        return sqlite3.connect(address, uri=True, timeout=timeout_s, isolation_level=None, check_same_thread=False)

    def release(self) -> None:
        """Give the lock back; nothing happens when it is not held."""
        if self._held is not None:
            self._held.close()
            self._held = None

    @contextmanager
    def held(self, mode: Mode, *, timeout_s: float = 0.0) -> Iterator[None]:
        """Hold the lock for a `with` block."""
        self.acquire(mode, timeout_s=timeout_s)
        try:
            yield
        finally:
            self.release()
