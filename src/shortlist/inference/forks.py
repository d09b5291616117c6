"""What a forked process lacks of the one before: every thread but its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
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


def _renew() -> None:
    for one in list(_KNOWN):
        one.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


class Streams:
    """A pool of threads, made anew in a forked process."""

    def __init__(self, count: int, name: str) -> None:
        self._count, self._name = count, name
        self._running = (os.getpid(), self._pool())

    def map(self, work: Callable[[_In], _Out], items: Iterable[_In]) -> list[_Out]:
        """Return what `work` makes of the items, in their order."""
        if self._running[0] != os.getpid():
            self._running = (os.getpid(), self._pool())
        return list(self._running[1].map(work, items))

    def close(self) -> None:
        """End the threads."""
        self._running[1].shutdown()

    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._count, thread_name_prefix=self._name)
