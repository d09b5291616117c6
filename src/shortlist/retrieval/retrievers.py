"""First-stage retrievers over an index: by words, by vectors, or both fused."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np

from shortlist.errors import IndexMismatchError, InputError
from shortlist.protocols import CuttingEncoder, Encoder, Retriever, Role
from shortlist.retrieval.filters import Where
from shortlist.retrieval.fusion import reciprocal_rank_fusion
from shortlist.retrieval.store import Found, Searchable
from shortlist.transport.failures import Unanswered, attempted
from shortlist.types import Query, Ranking, ScoreKind, Step, Trace, monotonic_ms
from shortlist.types.ranking import check_top_k


class Fuse(Protocol):
    """Makes one ranking of several; `reciprocal_rank_fusion` or a `partial` of `weighted_fusion`."""

    def __call__(self, rankings: Sequence[Ranking], *, depth: int | None = None) -> Ranking:
        """Return at most `depth` documents of all rankings."""
        ...


@dataclass(frozen=True, slots=True)
class BM25:
    """Retrieve by words: only documents that share one with the query. `where` filters by metadata.

    The query is plain text, never a query language. English stop words find nothing.
    """

    index: Searchable
    where: Where | None = None

    def retrieve(self, query: Query, *, depth: int) -> Ranking:
        """Return at most `depth` documents by BM25."""
        _check_depth(depth)
        start = monotonic_ms()
        found = self.index.search_text(query.text, depth=depth, where=self.where)
        return _ranking(query, found, ScoreKind.BM25, _step("bm25", start, depth, found))


@dataclass(frozen=True, slots=True)
class Dense:
    """Retrieve by the cosine of vectors; `encoder` must be the one the index was made with.

    Returns `depth` documents whenever so many have a text. Raises IndexMismatchError for
    another encoder, InputError for an index without vectors.
    """

    index: Searchable
    encoder: Encoder
    where: Where | None = None

    def retrieve(self, query: Query, *, depth: int) -> Ranking:
        """Return at most `depth` documents by similarity."""
        _check_depth(depth)
        self._check_encoder()
        start = monotonic_ms()
        vector = np.asarray(self.encoder.encode([query.text], role=Role.QUERY), dtype=np.float32)[0]  # [dimension]
        encoded = monotonic_ms()
        found = self.index.search_vector(vector, depth=depth, where=self.where)
        step = _step("dense", start, depth, found)
        facts = {"encoder": self.encoder.fingerprint, "search": self.index.vector_search}
        counts = {**step.counts, "encode_us": int((encoded - start) * 1e3)}
        step = replace(step, counts=counts, facts={**facts, **step.facts})
        return _ranking(query, found, ScoreKind.SIMILARITY, self._cut_told(step, query))

    def _cut_told(self, step: Step, query: Query) -> Step:
        cut = self.encoder.query_cut(query.text) if isinstance(self.encoder, CuttingEncoder) else None
        if cut is None:
            return step
        note = f"the query was cut by the bi-encoder: {cut.extent}"
        return replace(step, degradations=(*step.degradations, note), truncations=(*step.truncations, cut))

    def _check_encoder(self) -> None:
        made_with = self.index.manifest.encoder
        if not made_with:
            raise InputError(f"the index {self.index.name} was made without an encoder; search it with BM25")
        if made_with != self.encoder.fingerprint:
            raise IndexMismatchError(
                f"the index {self.index.name} holds vectors of {made_with!r}, which cannot be compared with those of"
                f" {self.encoder.fingerprint!r}; use the first, or index the documents again into a new folder"
            )


@dataclass(frozen=True, slots=True)
class Hybrid:
    """Fuse what several retrievers find. Each is asked for `arm_depth` documents, or for `depth` if that is more.

    With `at_once` each has a thread of its own, which is worth it where they wait for another machine. The embedded
    engine takes every core for one search: there it gains nothing at a million documents, and costs some
    milliseconds below. In the trace each arm then has its share of the time that all took. When a store elsewhere does
    not answer one arm, the others stand, and the trace says so.
    """

    arms: Sequence[Retriever]
    fuse: Fuse = reciprocal_rank_fusion
    arm_depth: int = 100
    at_once: bool = False

    def retrieve(self, query: Query, *, depth: int) -> Ranking:
        """Return at most `depth` documents of all arms; each one's history says where it stood in them."""
        _check_depth(depth)
        if not self.arms:
            raise InputError("a hybrid retriever needs at least one arm, such as BM25(index)")
        start = monotonic_ms()
        outcomes = self._outcomes(query, max(depth, self.arm_depth))
        asked_ms = monotonic_ms() - start
        missing = [outcome for outcome in outcomes if not isinstance(outcome, Ranking)]
        if len(missing) == len(outcomes):
            raise missing[0]
        # an arm that did not answer found nothing: the others keep their places, and so their weights
        found = [one if isinstance(one, Ranking) else Ranking(query, (), ScoreKind.UNKNOWN, "none") for one in outcomes]
        rankings = _sharing(asked_ms, found)
        start = monotonic_ms()
        fused = self.fuse(rankings, depth=depth)
        counts = {"depth": depth, "documents_in": sum(map(len, rankings)), "documents": len(fused)}
        facts = {"fusion": fused.score_kind.value}
        said = tuple(f"one of {len(outcomes)} arms did not answer: {error}" for error in missing)
        return fused.traced(Step("hybrid", monotonic_ms() - start, counts, facts, said))

    def _outcomes(self, query: Query, depth: int) -> list[Ranking | Unanswered]:
        first, *others = [partial(arm.retrieve, query, depth=depth) for arm in self.arms]
        if not others or not self.at_once:
            return [attempted(call) for call in (first, *others)]
        with ThreadPoolExecutor(len(others), "shortlist-arm") as pool:
            waiting = [pool.submit(attempted, call) for call in others]
            return [attempted(first), *(one.result() for one in waiting)]


def _check_depth(depth: int) -> None:
    if check_top_k(depth, name="depth") is None:
        raise InputError("depth must be a whole number from 1, got None")


def _sharing(took_ms: float, rankings: list[Ranking]) -> list[Ranking]:
    """Shorten the latencies of arms that were asked at the same time, so that their sum is the time that passed."""
    together = sum(ranking.trace.latency_ms for ranking in rankings)
    if together <= took_ms:
        return rankings
    return [replace(ranking, trace=_shortened(ranking.trace, took_ms / together)) for ranking in rankings]


def _shortened(trace: Trace, share: float) -> Trace:
    return Trace(tuple(replace(step, latency_ms=step.latency_ms * share) for step in trace.steps))


def _step(stage: str, start: float, depth: int, found: Found) -> Step:
    counts = {"depth": depth, "documents": len(found.hits)}
    return Step(stage, monotonic_ms() - start, counts, found.facts, found.degradations)


def _ranking(query: Query, found: Found, kind: ScoreKind, step: Step) -> Ranking:
    documents, scores = [document for document, _ in found.hits], [score for _, score in found.hits]
    return Ranking.from_scores(query, documents, scores, kind=kind, stage=step.stage, trace=Trace((step,)))
