"""Scores kept in a file, which several processes may use at once."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from shortlist.errors import InputError, StoreError
from shortlist.inference.forks import renew_in_forks
from shortlist.types import ScoreKind

_VERSION = 2
_HOUR_S = 3600
_WAIT_S = 1.0  # for another process's write; a cache that is waited for longer is no help
_SCHEMA = (
    "CREATE TABLE scores (key BLOB PRIMARY KEY, value REAL NOT NULL, kind TEXT NOT NULL, seen INTEGER, total INTEGER,"
    " query_seen INTEGER, query_total INTEGER, used INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE size (pairs INTEGER NOT NULL)",
    "INSERT INTO size VALUES (0)",
    "CREATE TRIGGER more AFTER INSERT ON scores BEGIN UPDATE size SET pairs = pairs + 1; END",
    "CREATE TRIGGER fewer AFTER DELETE ON scores BEGIN UPDATE size SET pairs = pairs - 1; END",
    f"PRAGMA user_version = {_VERSION}",
)


@dataclass(frozen=True, slots=True)
class Kept:
    """A pair's score, its kind, and how many of how many tokens were read where document or query were cut."""

    value: float
    kind: ScoreKind
    cut: tuple[int, int] | None = None
    query_cut: tuple[int, int] | None = None


class ScoreStore:
    """Scores by key in an SQLite file; no text is in it, only hashes.

    Holds about `pairs` of them (60 bytes each); beyond that the tenth that was used longest ago goes, to the hour.
    The file is opened at the first use, anew behind a fork. Safe to use from several threads and processes.
    Methods raise StoreError, with what to do, when the file cannot be used; nothing is lost then but time.
    """

    def __init__(
        self, file: Path | None = None, *, pairs: int = 1_000_000, clock: Callable[[], float] = time.time
    ) -> None:
        if pairs < 1:
            raise InputError(f"a score store must hold at least one pair; got pairs={pairs}")
        self.file = (file or user_cache_path("shortlist") / "scores.sqlite").absolute()
        self._pairs = pairs
        self._clock = clock
        self._lock = threading.Lock()
        self._opened: sqlite3.Connection | None = None
        self._of_before: list[sqlite3.Connection] = []  # a fork: closing one may wait for a thread that used it
        renew_in_forks(self)

    def renew(self) -> None:
        """Leave the connection to the process that this one was forked from."""
        self._lock = threading.Lock()
        if self._opened is not None:
            self._of_before.append(self._opened)
            self._opened = None

    def get(self, keys: Iterable[bytes]) -> dict[bytes, Kept]:
        """Return what is known of these keys, and note that it was used."""
        now = int(self._clock()) // _HOUR_S
        found, stale = {}, []
        with self._connected() as connection:
            for key in keys:
                row = connection.execute(
                    "SELECT value, kind, seen, total, query_seen, query_total, used FROM scores WHERE key = ?", (key,)
                ).fetchone()
                if row is None:
                    continue
                value, kind, *cuts, used = row
                found[key] = Kept(value, ScoreKind(kind), _cut(*cuts[:2]), _cut(*cuts[2:]))
                if used < now:
                    stale.append((now, key))
            if stale:
                connection.executemany("UPDATE scores SET used = ? WHERE key = ?", stale)
        return found

    def put(self, scores: Mapping[bytes, Kept]) -> None:
        """Add scores; one that is there already stays."""
        now = int(self._clock()) // _HOUR_S
        rows = [
            (key, one.value, one.kind.value, *(one.cut or (None, None)), *(one.query_cut or (None, None)), now)
            for key, one in scores.items()
        ]
        with self._connected() as connection:
            connection.executemany("INSERT OR IGNORE INTO scores VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            (held,) = connection.execute("SELECT pairs FROM size").fetchone()
            if held > self._pairs:
                surplus = held - self._pairs + self._pairs // 10
                connection.execute(
                    "DELETE FROM scores WHERE key IN (SELECT key FROM scores ORDER BY used LIMIT ?)", (surplus,)
                )

    def __len__(self) -> int:
        with self._connected() as connection:
            (held,) = connection.execute("SELECT pairs FROM size").fetchone()
        return int(held)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()
            self._opened = None

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for one transaction."""
        with self._lock:
            try:
                connection = self._opened = self._opened or self._open()
                with connection:
                    yield connection
            except (sqlite3.Error, OSError, ValueError) as error:  # ValueError: a kind that a later version wrote
                raise StoreError(
                    f"the score cache {self.file} cannot be used: {error}; delete the file if this goes on"
                ) from error

    def _open(self) -> sqlite3.Connection:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.file, timeout=_WAIT_S, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        if _version(connection) != _VERSION:
            connection.isolation_level = None
            connection.execute("BEGIN IMMEDIATE")
            if _version(connection) != _VERSION:  # another process may have been first
                for table in ("scores", "size"):
                    connection.execute(f"DROP TABLE IF EXISTS {table}")
                for statement in _SCHEMA:
                    connection.execute(statement)
            connection.execute("COMMIT")
            connection.isolation_level = "DEFERRED"
        return connection


def _cut(seen: int | None, total: int | None) -> tuple[int, int] | None:
    return None if seen is None or total is None else (seen, total)


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)
