"""What every reranker must keep."""

from __future__ import annotations

from shortlist.protocols import GroupReranker, Reranker
from shortlist.testing.texts import DOCUMENTS, QUERY, candidates
from shortlist.types import Ranking


def check_reranker(reranker: Reranker) -> None:
    """Check a reranker: a permutation or its prefix, documents untouched, earlier ranks remembered."""
    assert isinstance(reranker, Reranker), f"{type(reranker).__name__} has no `rerank`"
    given = candidates()
    ranking = reranker.rerank(given)
    assert sorted(ranking.doc_ids) == sorted(given.doc_ids), "the output is no permutation of the candidates"
    by_id = {document.doc_id: document for document in DOCUMENTS}
    for item in ranking:
        assert item.document is by_id[item.doc_id], f"{item.doc_id} came back as another object"
        assert given.stage in {s.stage for s in item.history}, f"{item.doc_id} does not say where it stood before"
    assert [item.rank for item in ranking] == list(range(1, len(given) + 1)), "ranks do not count from 1"
    scores = [item.score for item in ranking]
    assert scores == sorted(scores, reverse=True), "scores do not descend"
    assert len(ranking.trace.steps) > len(given.trace.steps), "nothing was written into the trace"
    first = reranker.rerank(given, top_k=3)
    assert first.doc_ids == ranking.doc_ids[:3], "top_k is not a prefix"
    assert all(item.document is by_id[item.doc_id] for item in first), "with a top_k other objects come back"
    empty = Ranking.in_order(QUERY, ())
    assert len(reranker.rerank(empty)) == 0, "an empty ranking must stay empty"
    if isinstance(reranker, GroupReranker):
        found = [one.doc_ids for one in reranker.rerank_many([empty, given, given.head(1)], top_k=3)]
        assert found == [(), ranking.doc_ids[:3], given.doc_ids[:1]], "a ranking changes with other queries beside it"
        assert reranker.rerank_many([]) == [], "no queries must give no rankings"
