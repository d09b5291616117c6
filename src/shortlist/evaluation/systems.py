"""A system that can be evaluated: a first stage and rerankers, each with a depth, timed stage by stage."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from shortlist.errors import InputError
from shortlist.evaluation.outcome import check_overlap
from shortlist.evaluation.runs import Run
from shortlist.protocols import Reranker, Retriever
from shortlist.types import Document, Query, Ranking, ScoreKind, Step, Trace, monotonic_ms

# kinds whose scores come from the pair alone, so that they can be sorted again at a smaller depth
POINTWISE = {kind.value for kind in ScoreKind if not kind.is_order} - {ScoreKind.UNKNOWN.value}


@dataclass(frozen=True, slots=True)
class Stage:
    """A reranker of the first `depth` documents (None: of all); `price` is what a million tokens cost."""

    reranker: Reranker
    depth: int | None = None
    price: float = 0.0


@dataclass(frozen=True, slots=True)
class System:
    """What is evaluated: `depth` candidates of a first stage, then the rerankers in order; `notes` on its figures."""

    name: str
    retriever: Retriever
    depth: int
    stages: tuple[Stage, ...] = ()
    spec: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answered:
    """What a system made of one query.

    `doc_ids` is the final order; `scores` are the last stage's, of the first so many of them.
    `candidates` is the first stage's order. `stage_ms` holds the first stage's latency and
    each reranker's; `tokens` and `pairs` count what the rerankers read. `cost` is in the
    unit of the prices.
    """

    doc_ids: tuple[str, ...]
    scores: tuple[float, ...]
    candidates: tuple[str, ...]
    stage_ms: tuple[float, ...]
    tokens: int = 0
    pairs: int = 0
    cost: float = 0.0
    degradations: tuple[str, ...] = ()

    @property
    def latency_ms(self) -> float:
        """The sum over the stages."""
        return sum(self.stage_ms)


@dataclass(frozen=True, slots=True)
class Answer:
    """An `Answered` query together with the ranking it came from, whose texts are not kept."""

    answered: Answered
    ranking: Ranking


def answer(system: System, query: Query) -> Answer:
    """Let a system answer a query. Nothing falls back: a stage's error is the evaluation's error.

    Only what the first stage found is reranked; relevant documents are never put in.
    """
    began = monotonic_ms()
    ranking = system.retriever.retrieve(query, depth=system.depth)
    candidates, stage_ms = ranking.doc_ids, [monotonic_ms() - began]
    scores = tuple(item.score for item in ranking)
    tokens, pairs, cost = 0, 0, 0.0
    for stage in system.stages:
        steps_before, began = len(ranking.trace.steps), monotonic_ms()
        ranking, scores = _reranked(ranking, stage)
        stage_ms.append(monotonic_ms() - began)
        steps = ranking.trace.steps[steps_before:]
        pairs, tokens = pairs + len(scores), tokens + sum(step.tokens for step in steps)
        cost += sum(_cost(step, stage.price) for step in steps)
    answered = Answered(
        ranking.doc_ids, scores, candidates, tuple(stage_ms), tokens, pairs, cost, ranking.trace.degradations
    )
    return Answer(answered, ranking)


def typical(answers: Collection[Answer]) -> Ranking:
    """Return the ranking of the first query that found something: where nothing was found, no model has run."""
    rankings = [one.ranking for one in answers]
    return next(filter(None, rankings), rankings[0])


def _reranked(ranking: Ranking, stage: Stage) -> tuple[Ranking, tuple[float, ...]]:
    """Rerank the first `depth` and keep the others below them; return also the scores of the reranked ones."""
    head = stage.reranker.rerank(ranking.head(stage.depth)) if len(ranking) else ranking
    scores = tuple(item.score for item in head)
    rest = ranking.items[len(head) :]
    return Ranking(head.query, head.items + rest, head.score_kind, head.stage, head.trace), scores


def _cost(step: Step, price: float) -> float:
    """Return what a step says that it cost, whose text begins with the amount, else its tokens at the price."""
    told = re.match(r"\d+(\.\d+)?", step.facts.get("cost", ""))
    return float(told[0]) if told else step.tokens * price / 1e6


@dataclass(frozen=True, slots=True)
class Given:
    """A run as a first stage; documents that the corpus lacks are an error that names them."""

    run: Run
    documents: Mapping[str, Document]

    def check(self, queries: Sequence[Query], *, depth: int) -> None:
        """Raise InputError for a run of other queries or of a document that is not there, before anything runs."""
        check_overlap(self.run, {query.query_id: {} for query in queries})
        for query in queries:
            for doc_id in self.run.doc_ids.get(query.query_id, ())[:depth]:
                if self.documents and doc_id not in self.documents:
                    raise self._unknown(query, doc_id)

    def retrieve(self, query: Query, *, depth: int) -> Ranking:
        """Return the run's first `depth` documents for a query in the run's order."""
        began = monotonic_ms()
        doc_ids = self.run.doc_ids.get(query.query_id, ())[:depth]
        documents = [self._document(query, doc_id) for doc_id in doc_ids]
        step = Step("run", monotonic_ms() - began, {"documents": len(documents)}, {"run": self.run.name})
        kept = self.run.scores.get(query.query_id)
        scores = kept[:depth] if kept else [1.0 / rank for rank in range(1, len(documents) + 1)]
        return Ranking.from_scores(
            query, documents, scores, kind=ScoreKind.UNKNOWN, stage=f"run {self.run.name}", trace=Trace((step,))
        )

    def _document(self, query: Query, doc_id: str) -> Document:
        if not self.documents:
            return Document("", doc_id)
        if doc_id not in self.documents:
            raise self._unknown(query, doc_id)
        return self.documents[doc_id]

    def _unknown(self, query: Query, doc_id: str) -> InputError:
        return InputError(
            f"{self.run.place(query.query_id, doc_id)}: document {doc_id!r} of query {query.query_id!r} is not in the"
            " corpus; use the corpus that the run was made from"
        )
