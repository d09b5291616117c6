"""Searches go on while an index is optimized, and the lock that they share with it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from shortlist.retrieval import Index
from shortlist.retrieval.shared_lock import SharedLock
from shortlist.types import Document


def test_searches_while_an_index_is_optimized_find_what_they_found_before(index: Index) -> None:
    index.upsert([Document(f"apple number {i}", str(i), metadata={"kind": "fruit"}) for i in range(1500)])
    vector = np.eye(1, 64, dtype=np.float32)[0]
    asks: list[Callable[[], int]] = [
        lambda: len(index.search_text("apple", depth=10).hits),
        lambda: len(index.search_vector(vector, depth=10).hits),
        lambda: index.count({"kind": "fruit"}) // 150,
    ]
    is_over = threading.Event()

    def search(ask: Callable[[], int]) -> set[int]:
        found = {ask()}
        while not is_over.is_set():
            found.add(ask())
        return found

    with ThreadPoolExecutor(len(asks)) as pool:
        asked = [pool.submit(search, ask) for ask in asks]
        try:
            for _ in range(3):
                index.optimize(codes_from=1)
                index.optimize()
        finally:
            is_over.set()
        assert [one.result() for one in asked] == [{10}, {10}, {10}]


def test_many_hold_a_shared_lock_at_once_and_one_alone_waits_for_all_of_them() -> None:
    lock, together = SharedLock(), threading.Barrier(3)
    seen: list[str] = []

    def read() -> None:
        with lock.shared():
            together.wait(10)  # passes only when all are in
            together.wait(10)
            seen.append("read")

    def write() -> None:
        with lock.exclusive():
            seen.append("wrote")

    readers = [threading.Thread(target=read) for _ in range(2)]
    writer = threading.Thread(target=write)
    for reader in readers:
        reader.start()
    together.wait(10)
    writer.start()
    assert seen == []
    together.wait(10)
    for thread in (*readers, writer):
        thread.join(10)
    assert seen == ["read", "read", "wrote"]


def test_who_waits_for_the_lock_alone_is_not_kept_out_by_readers_that_keep_coming() -> None:
    lock = SharedLock()
    is_done = threading.Event()

    def keep_reading() -> None:
        while not is_done.is_set():
            with lock.shared():
                is_done.wait(0.001)

    readers = [threading.Thread(target=keep_reading) for _ in range(4)]
    for reader in readers:
        reader.start()
    with lock.exclusive():
        is_done.set()
    for reader in readers:
        reader.join(10)
    assert not any(reader.is_alive() for reader in readers)


def test_a_lock_is_given_back_when_its_holder_fails() -> None:
    lock = SharedLock()
    for hold in (lock.shared, lock.exclusive):
        with pytest.raises(ZeroDivisionError), hold():
            raise ZeroDivisionError
    with lock.exclusive():
        pass
