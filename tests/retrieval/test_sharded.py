from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from shortlist.errors import IndexMismatchError, InputError, RemoteUnavailableError
from shortlist.retrieval import BM25, Dense, Found, Hybrid, Index, Manifest, Sharded, Where
from shortlist.retrieval.edge import ANALYZER
from shortlist.retrieval.remote import Address, RemoteIndex, Retrying, Spread
from shortlist.retrieval.remote.connect import connect
from shortlist.retrieval.remote.terms import Statistics
from shortlist.testing import check_retriever
from shortlist.transport.policy import Policy
from shortlist.types import Document, Query

from .material import HashingEncoder
from .stores import layout_of, milvus_lite

TEXTS = [f"wing number {i} of a swept kind" for i in range(60)]


class Away:
    """A shard on a machine that is gone."""

    name, vector_search, is_remote = "qdrant:http://gone/docs", "exact", True
    manifest = Manifest("hashing-64", 64, ANALYZER, "a test")

    def search_text(self, text: str, *, depth: int, where: Where | None = None) -> Found:
        raise RemoteUnavailableError(f"{self.name} cannot be reached")

    def search_vector(self, vector: object, *, depth: int, where: Where | None = None) -> Found:
        raise RemoteUnavailableError(f"{self.name} cannot be reached")


@pytest.fixture
def shards(tmp_path: Path, encoder: HashingEncoder) -> list[Index]:
    made = [Index.create(tmp_path / f"shard{i}", encoder=encoder) for i in range(3)]
    for i, text in enumerate(TEXTS):
        made[i % 3].upsert([Document(text, f"d{i}")])
    return made


def test_shards_are_searched_as_one(shards: list[Index], encoder: HashingEncoder, tmp_path: Path) -> None:
    whole = Index.create(tmp_path / "whole", encoder=encoder)
    whole.upsert([Document(text, f"d{i}") for i, text in enumerate(TEXTS)])
    sharded = Sharded(shards)
    for text in ("wing number 17", "swept kind 44"):
        here = Dense(whole, encoder).retrieve(Query(text), depth=10)
        there = Dense(sharded, encoder).retrieve(Query(text), depth=10)
        np.testing.assert_allclose([i.score for i in there], [i.score for i in here], atol=1e-6)
        assert there.doc_ids[0] == here.doc_ids[0]
    check_retriever(BM25(sharded), query=Query("17"), expected="d17")
    step = BM25(sharded).retrieve(Query("17"), depth=3).trace.steps[0]
    assert (step.facts["shards"], step.degradations) == ("3 of 3 shards were searched", ())


def test_a_shard_that_does_not_answer_is_in_the_trace(shards: list[Index], encoder: HashingEncoder) -> None:
    sharded = Sharded([*shards, Away()], at_least=2)
    ranking = Hybrid([BM25(sharded), Dense(sharded, encoder)]).retrieve(Query("17"), depth=5)
    assert ranking.doc_ids[0] == "d17"
    said = "3 of 4 shards were searched: qdrant:http://gone/docs cannot be reached"
    assert ranking.trace.degradations == (f"bm25: {said}", f"dense: {said}")


def test_too_few_shards_are_no_answer(shards: list[Index]) -> None:
    with pytest.raises(RemoteUnavailableError, match="gone"):
        BM25(Sharded([shards[0], Away()], at_least=2)).retrieve(Query("x"), depth=3)
    with pytest.raises(InputError, match="at_least"):
        Sharded([], at_least=1)


def test_shards_of_two_encoders_are_refused(shards: list[Index], tmp_path: Path) -> None:
    with (
        Index.create(tmp_path / "other", encoder=HashingEncoder(dimension=32)) as other,
        pytest.raises(IndexMismatchError, match="cannot be compared"),
    ):
        Sharded([shards[0], other])


def test_an_arm_that_does_not_answer_leaves_the_other(shards: list[Index], encoder: HashingEncoder) -> None:
    ranking = Hybrid([BM25(Away()), Dense(shards[0], encoder)]).retrieve(Query("wing number 3"), depth=5)
    assert len(ranking) == 5
    assert "hybrid: one of 2 arms did not answer: qdrant:http://gone" in ranking.trace.degradations[0]
    with pytest.raises(RemoteUnavailableError):
        Hybrid([BM25(Away()), Dense(Away(), encoder)]).retrieve(Query("wing"), depth=5)


def test_a_real_server_that_dies_costs_its_shard_only(tmp_path: Path, encoder: HashingEncoder) -> None:
    pytest.importorskip("pymilvus")
    impatient = Policy(budget_ms=5000, attempt_budget_ms=4000, retries=0)
    with ExitStack() as living:
        dying = ExitStack()
        shards = []
        for number, stack in enumerate((living, dying)):
            url = stack.enter_context(milvus_lite(tmp_path / str(number)))
            server = connect(Address("milvus", url, "docs"), environ={})
            living.callback(server.close)
            server.create("docs", layout_of(encoder), Statistics.of([]), Spread())
            shards.append(RemoteIndex(server, "docs", encoder=encoder, retrying=Retrying(impatient)))
            shards[-1].upsert([Document("a swept wing", f"d{number}")])
        sharded = Sharded(shards)
        assert set(BM25(sharded).retrieve(Query("wing"), depth=5).doc_ids) == {"d0", "d1"}
        dying.close()
        ranking = BM25(sharded).retrieve(Query("wing"), depth=5)
    assert ranking.doc_ids == ("d0",)
    assert "1 of 2 shards were searched" in ranking.trace.degradations[0]
