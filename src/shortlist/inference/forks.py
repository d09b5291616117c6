"""What a forked process lacks of the one before: every thread but its own."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar
from weakref import WeakSet

from shortlist.errors import ModelError

_In = TypeVar("_In")
_Out = TypeVar("_Out")

_USED: dict[str, int] = {}


def stay_in_process(runtime: str) -> None:
    """Raise ModelError in a fork of the process that used a runtime first.

    OpenVINO and torch wait for ever for threads that a fork lacks, or crash, and a model that is loaded anew does too.
    """
    if _USED.setdefault(runtime, os.getpid()) != os.getpid():
        raise ModelError(
            f"{runtime} was used before this process was forked, and cannot be here: load the model in each process,"
            " not before (no preloading; multiprocessing with 'spawn'). engine='onnxruntime' has no such limit"
        )


class Renewed(Protocol):
    """What has a lock, or waits for other threads: those that held it at the moment of a fork never let it go there."""

    def renew(self) -> None:
        """Begin anew with nobody holding anything."""
        ...


_KNOWN: WeakSet[Renewed] = WeakSet()


def renew_in_forks(one: Renewed) -> None:
    """Have something renewed in every process that is forked, before anything else runs there."""
    _KNOWN.add(one)


class ForkLock:
    """A lock that nobody holds in a forked process."""

    def __init__(self) -> None:
        self.renew()
        renew_in_forks(self)

    def renew(self) -> None:
        """Have nobody hold it."""
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _renew() -> None:
    for one in list(_KNOWN):
        one.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


class Streams:
    """A pool of threads, made anew in a forked process; calls from several threads take turns in it.

    None has more of its items waiting than there are streams, so that one with few is not behind all of one with many.
    """

    def __init__(self, count: int, name: str) -> None:
        self._count, self._name = count, name
        self._running = (os.getpid(), self._pool())

    def map(self, work: Callable[[_In], _Out], items: Iterable[_In]) -> list[_Out]:
        """Return what `work` makes of the items, in their order; the first error ends it."""
        if self._running[0] != os.getpid():
            self._running = (os.getpid(), self._pool())
        pool = self._running[1]
        todo = deque((Future[_Out](), item) for item in items)
        made = [future for future, _ in todo]
        for _ in range(min(self._count, len(made))):
            pool.submit(_take_turn, pool, work, todo)
        try:
            return [future.result() for future in made]
        finally:
            todo.clear()

    def close(self) -> None:
        """End the threads."""
        self._running[1].shutdown()

    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._count, thread_name_prefix=self._name)


def _take_turn(pool: ThreadPoolExecutor, work: Callable[[_In], _Out], todo: deque[tuple[Future[_Out], _In]]) -> None:
    """Do one item, and queue for the next behind other calls."""
    while todo:
        with contextlib.suppress(IndexError):  # another stream took the last one
            future, item = todo.popleft()
            try:
                future.set_result(work(item))
            except BaseException as error:
                todo.clear()
                future.set_exception(error)
        with contextlib.suppress(RuntimeError):  # closed meanwhile: what was begun is done here
            pool.submit(_take_turn, pool, work, todo)
            return
