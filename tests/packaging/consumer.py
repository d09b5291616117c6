"""A user's program, checked by mypy --strict and pyright against what is installed; it is not run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from typing_extensions import assert_type

import shortlist
from shortlist import Document, Pipeline, Place, Query, Ranking, Reranker, ScoredDocument, ScoreKind, Step, Trace
from shortlist.errors import InputError, ShortlistError
from shortlist.evaluation import Qrels, Run, parse_measures, per_query
from shortlist.generation import CheckedAnswer, Context, Order, asked, checked, pack
from shortlist.integrations.flashrank import Ranker, RerankRequest
from shortlist.protocols import Retriever, Scorer
from shortlist.testing import check_scorer
from shortlist.types import Prompt, Scores


def rank() -> str:
    ranking = shortlist.rank("q", ["a", {"id": 7, "text": "b", "page": 1}, Document("c", "3")], top_k=2, budget_ms=100)
    assert_type(ranking, Ranking)
    best = ranking[0]
    assert_type(best, ScoredDocument)
    assert_type(best.score, float)
    assert_type(best.document.place, Place | None)
    assert_type(ranking.score_kind, ScoreKind)
    assert_type(ranking.trace, Trace)
    assert_type(ranking.doc_ids, tuple[str, ...])
    return best.document.text


def search(folder: Path) -> Sequence[Document]:
    shortlist.index_paths([folder], folder / ".shortlist")
    with shortlist.open_pipeline(folder / ".shortlist", first_stage="bm25") as pipeline:
        assert_type(pipeline, Pipeline)
        return pipeline.search("q", top_k=3, depth=50).documents


class Shortest:
    """A scorer of a user's own: no base class, the shape is enough."""

    fingerprint = "shortest"

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        lengths = np.array([-len(document.text) for document in documents], dtype=np.float32)
        return Scores(lengths, ScoreKind.LOGIT, Step("score"))


def own(scorer: Scorer, retriever: Retriever) -> Ranking:
    check_scorer(scorer)
    return Reranker("shortlist-l6").rerank(retriever.retrieve(Query("q"), depth=10))


def hand_over(ranking: Ranking) -> CheckedAnswer:
    context = pack(ranking, budget=500, order=Order.BOTH_ENDS)
    assert_type(context, Context)
    assert_type(asked("q", context), Prompt)
    return checked("q", "It is [1].", context)


def measure(run: Run, qrels: Qrels) -> None:
    per_query(run, qrels, parse_measures("nDCG@10 R@100"))


def switched() -> list[dict[str, object]]:
    try:
        return Ranker().rerank(RerankRequest(query="q", passages=[{"text": "a"}]))
    except InputError as error:
        ours: ShortlistError = error
        raise ours from None


checked_scorer: Scorer = Shortest()
