from __future__ import annotations

from pathlib import Path

import pytest

from shortlist.retrieval import BM25, Dense, Hybrid
from shortlist.testing import check_retriever, check_store
from shortlist.types import Document, Query

from .material import HashingEncoder
from .stores import STORES, store_of


@pytest.mark.parametrize("kind", STORES)
def test_every_store_keeps_the_contract(kind: str, tmp_path: Path) -> None:
    encoder = HashingEncoder()
    with store_of(kind, tmp_path, encoder) as store:
        check_store(store, encoder)
        store.upsert([Document("onion soup", "soup"), Document("a swept wing", "wing")])
        for retriever in (BM25(store), Dense(store, encoder), Hybrid([BM25(store), Dense(store, encoder)])):
            check_retriever(retriever, query=Query("onion"), expected="soup")
