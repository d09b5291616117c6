"""What an engine must do: points in, points out. It knows nothing of encoders or texts."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from shortlist.errors import InputError
from shortlist.retrieval.filters import Condition
from shortlist.retrieval.remote.points import Layout, Point, Stored
from shortlist.retrieval.remote.terms import Statistics, Terms
from shortlist.transport.failures import Result, Unanswered, attempted
from shortlist.transport.policy import Policy, pause_ms


class Collection(Protocol):
    """One collection of an engine. Every call raises RemoteError's kinds; writing the same twice changes nothing."""

    @property
    def name(self) -> str:
        """The address and the collection, without keys."""
        ...

    @property
    def layout(self) -> Layout:
        """How it was made."""
        ...

    def write(self, points: Sequence[Point]) -> None:
        """Add points, replacing those of the same key."""
        ...

    def remove(self, keys: Sequence[str]) -> None:
        """Remove points; those that are not there do not matter."""
        ...

    def fetch(self, key: str) -> Stored | None:
        """Return a point, or None."""
        ...

    def count(self, conditions: Sequence[Condition] = ()) -> int:
        """Return how many points meet the conditions, exactly."""
        ...

    def search_terms(self, counts: Terms, *, limit: int, conditions: Sequence[Condition]) -> list[Stored]:
        """Return the points with the highest BM25 for a query's words; only points that share one."""
        ...

    def search_vector(
        self, vector: npt.NDArray[np.float32], *, limit: int, conditions: Sequence[Condition]
    ) -> list[Stored]:
        """Return the points with the highest cosine; only points that have a vector."""
        ...


@dataclass(frozen=True, slots=True)
class Spread:
    """Over how many machines a collection is laid, and how many copies of each part there are."""

    shards: int = 1
    replicas: int = 1

    def __post_init__(self) -> None:
        if self.shards < 1 or self.replicas < 1:
            raise InputError(f"shards and replicas are whole numbers from 1; got {self.shards} and {self.replicas}")


class Server(Protocol):
    """An engine's collections: made, filled, put in one another's place by an alias, dropped."""

    @property
    def name(self) -> str:
        """The address, without keys."""
        ...

    def open(self, name: str) -> Collection:
        """Open a collection by its name or an alias. Raises IndexNotFoundError, IndexMismatchError."""
        ...

    def create(self, name: str, layout: Layout, statistics: Statistics, spread: Spread) -> Collection:
        """Make an empty collection. `statistics` are of the documents that it is going to hold."""
        ...

    def finish(self, name: str) -> None:
        """Make what was written ready to be searched at full speed; waits."""
        ...

    def behind(self, alias: str) -> str | None:
        """Return which collection an alias stands for; None when there is no such alias."""
        ...

    def has(self, name: str) -> bool:
        """Say whether there is a collection, not an alias, of this name."""
        ...

    def point(self, alias: str, name: str) -> None:
        """Let an alias stand for a collection, instead of what it stood for: searches see the one or the other."""
        ...

    def drop(self, name: str) -> None:
        """Remove a collection with everything in it."""
        ...

    def close(self) -> None:
        """End the connection; a second call does nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Retrying:
    """Calls again, after a pause, what failed because the engine did not answer or was too busy.

    Every call of `Collection` may be sent twice. `clock` is monotonic seconds, `sleep` takes seconds, `jitter`
    gives 0..1.
    """

    policy: Policy = field(default_factory=Policy)
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random

    def __call__(self, call: Callable[[], Result]) -> tuple[Result, int]:
        """Return the call's result and how often it failed before; raises the last error when it stays."""
        deadline, failures = self.clock() + self.policy.budget_ms / 1000, 0
        while True:
            outcome = attempted(call)
            if not isinstance(outcome, Unanswered):
                return outcome, failures
            failures += 1
            left = (deadline - self.clock()) * 1000
            pause = pause_ms(self.policy, failures=failures, asked_ms=None, left_ms=left, random=self.jitter())
            if pause is None:
                raise type(outcome)(f"{outcome} (attempt {failures})") from outcome
            self.sleep(pause / 1000)
