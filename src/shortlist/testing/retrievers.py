"""What every retriever must keep."""

from __future__ import annotations

import pickle

from shortlist.protocols import Retriever
from shortlist.types import Query


def check_retriever(retriever: Retriever, *, query: Query, expected: str) -> None:
    """Check a retriever over an index of at least two documents in which `query` finds the doc_id `expected`."""
    assert isinstance(retriever, Retriever), f"{type(retriever).__name__} has no `retrieve`"
    ranking = retriever.retrieve(query, depth=10)
    assert expected in ranking.doc_ids, f"{expected!r} was not found: {ranking.doc_ids}"
    assert len(set(ranking.doc_ids)) == len(ranking), "a document was found twice"
    scores = [item.score for item in ranking]
    assert scores == sorted(scores, reverse=True), "scores do not descend"
    assert ranking.trace.steps, "nothing was written into the trace"
    assert pickle.loads(pickle.dumps(ranking)) == ranking, "a ranking does not survive a cache or another process"
    assert retriever.retrieve(query, depth=1).doc_ids == ranking.doc_ids[:1], "a smaller depth is not a prefix"
    for text in ('"', "AND OR NOT", "*", "field:value", "🗼", "\ud800", "word " * 10_000):
        assert len(retriever.retrieve(Query(text), depth=2)) <= 2, f"more than depth for {text!r:.20}"
