"""Ordered, scored documents; the one place that sorts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from numbers import Integral, Real
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist.errors import InputError, ScoreError
from shortlist.types.document import Document
from shortlist.types.query import Query
from shortlist.types.trace import Step, Trace

GIVEN = "given"  # the stage of documents that no stage has ordered yet

_LINES, _WIDTH = 20, 60  # of what is printed


class ScoreKind(str, Enum):
    """What a ranking's scores are, and so what may be done with them."""

    LOGIT = "logit"
    CALIBRATED_PROBABILITY = "calibrated probability"
    UNCALIBRATED_SIGMOID = "uncalibrated sigmoid"
    SIMILARITY = "similarity"
    BM25 = "bm25"
    RECIPROCAL_RANK = "reciprocal rank"
    WEIGHTED_SUM = "weighted sum"
    LOG_LIKELIHOOD = "log likelihood"
    EXPECTED_GRADE = "expected grade"
    NEGATIVE_MEAN_RANK = "negative mean rank"
    UNKNOWN = "unknown"

    @property
    def is_order(self) -> bool:
        """Whether a score only says where a document stands among the others, and nothing of the pair alone."""
        return self in {ScoreKind.RECIPROCAL_RANK, ScoreKind.NEGATIVE_MEAN_RANK}


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a document stood at an earlier stage: its rank from 1 and its score there."""

    stage: str
    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class ScoredDocument:
    """A document with its score, its rank from 1, and where it stood before.

    Where `is_scored` is false the last stage did not come to it, and `score` is only the
    lowest that it gave, so that scores still descend; where it came to none, those before it stand.
    """

    document: Document
    score: float
    rank: int
    history: tuple[Standing, ...] = ()
    is_scored: bool = True

    @property
    def doc_id(self) -> str:
        """The document's id."""
        return self.document.doc_id

    @property
    def text(self) -> str:
        """The document's text."""
        return self.document.text

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The document's metadata."""
        return self.document.metadata

    def __str__(self) -> str:
        text = " ".join(self.text[: 4 * _WIDTH].split())
        words = text if len(text) <= _WIDTH else f"{text[:_WIDTH]}..."
        score = f"{self.score:.4g}" if self.is_scored else "not scored"
        return "".join(c if c.isprintable() else "\ufffd" for c in f"{self.rank}. {score} {self.doc_id}: {words}")


@dataclass(frozen=True, slots=True)
class Ranking:
    """Documents for a query, best first.

    `stage` names who ordered them. Ranks count from 1 without gaps. Make one with
    `from_scores` or `in_order`; `reordered` gives the next stage's ranking of the same
    documents, with this stage written into each one's history. `unscored` is how many
    candidates the stage did not come to before its deadline.
    """

    query: Query
    items: tuple[ScoredDocument, ...]
    score_kind: ScoreKind
    stage: str
    trace: Trace = field(default_factory=Trace)
    unscored: int = 0

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[ScoredDocument]:
        return iter(self.items)

    def __str__(self) -> str:
        more = [f"... and {len(self) - _LINES} more"] if len(self) > _LINES else []
        return "\n".join([*map(str, self.items[:_LINES]), *more])

    def __getitem__(self, place: int) -> ScoredDocument:
        return self.items[place]

    @property
    def is_partial(self) -> bool:
        """Whether the last stage did not come to every candidate, which may have been cut off since."""
        return self.unscored > 0

    @property
    def documents(self) -> tuple[Document, ...]:
        """The documents, best first."""
        return tuple(item.document for item in self.items)

    @property
    def doc_ids(self) -> tuple[str, ...]:
        """The documents' ids, best first."""
        return tuple(item.document.doc_id for item in self.items)

    @classmethod
    def from_scores(
        cls,
        query: Query,
        documents: Sequence[Document],
        scores: npt.ArrayLike,
        *,
        kind: ScoreKind,
        stage: str,
        top_k: int | None = None,
        trace: Trace | None = None,
    ) -> Ranking:
        """Sort documents by score, descending; ties keep the given order.

        Raises ScoreError when the counts differ or a score is NaN or infinite (the
        message names the doc_id), InputError when `top_k` is below 1.
        """
        items = tuple(ScoredDocument(d, 0.0, i) for i, d in enumerate(documents, 1))
        return cls(query, _ordered(items, scores, stage, top_k), kind, stage, trace or Trace())

    @classmethod
    def in_order(cls, query: Query, documents: Sequence[Document], *, stage: str = GIVEN) -> Ranking:
        """Take documents as they are ordered, with reciprocal ranks for scores."""
        items = tuple(ScoredDocument(d, 1.0 / i, i) for i, d in enumerate(documents, 1))
        return cls(query, items, ScoreKind.RECIPROCAL_RANK, stage)

    def reordered(
        self,
        scores: npt.ArrayLike,
        *,
        kind: ScoreKind,
        stage: str,
        top_k: int | None = None,
        steps: Sequence[Step] = (),
    ) -> Ranking:
        """Sort the same documents by new scores, given in this ranking's order; ties keep this order.

        Raises as `from_scores` does.
        """
        remembered = tuple(replace(item, history=_remembering(self.stage, item)) for item in self.items)
        return Ranking(self.query, _ordered(remembered, scores, stage, top_k), kind, stage, self.trace.then(*steps))

    def partly_reordered(
        self,
        scores: npt.ArrayLike,
        *,
        kind: ScoreKind,
        stage: str,
        top_k: int | None = None,
        steps: Sequence[Step] = (),
        places: Sequence[int] | None = None,
    ) -> Ranking:
        """Sort the documents at `places`, from 0 (else the first ones), one a score; the others follow in this order.

        This is what reranking to a smaller depth gives: scores of two stages are never
        compared. Without any scores order and scores stand, and no document is scored. Raises as `from_scores` does.
        """
        values = np.asarray(scores, dtype=np.float32)  # [scored]
        chosen = range(len(values)) if places is None else places
        head = replace(self, items=tuple(self.items[place] for place in chosen))
        everyone = range(len(self))
        others = everyone[len(values) :] if places is None else sorted(set(everyone) - set(chosen))
        if not len(values):
            return replace(self.head(top_k).as_unscored().traced(*steps), unscored=len(others))
        first = head.reordered(values, kind=kind, stage=stage, steps=steps)
        check_top_k(top_k)
        room = len(self) if top_k is None else max(0, top_k - len(values))
        candidates = replace(self, items=(*head.items, *(self.items[place] for place in others[:room])))
        return replace(first.before_rest_of(candidates), unscored=len(others)).head(top_k)

    def as_unscored(self) -> Ranking:
        """Say of every document that the last stage did not come to it; order and scores stand."""
        return replace(self, items=tuple(replace(item, is_scored=False) for item in self.items))

    def before_rest_of(self, candidates: Ranking) -> Ranking:
        """Put behind these documents, the first ones of `candidates` in a new order, those that came after them."""
        rest = candidates.items[len(self) :]
        lowest = self.items[-1].score if self.items else 0.0
        following = tuple(
            replace(item, score=lowest, rank=rank, history=_remembering(candidates.stage, item), is_scored=False)
            for rank, item in enumerate(rest, len(self) + 1)
        )
        return replace(self, items=self.items + following)

    def rescaled(self, scores: npt.ArrayLike, *, kind: ScoreKind, steps: Sequence[Step] = ()) -> Ranking:
        """Give the documents other scores, in this order, which they must not change.

        Raises ScoreError when a score is above the one before it, or as `from_scores` does.
        """
        values = np.asarray(scores, dtype=np.float32)  # [documents]
        if values.shape == (len(self),) and (np.diff(values) > 0).any():
            raise ScoreError(f"the new scores of {self.stage} would change the order; only a rising map keeps it")
        marks = [item.is_scored for item in self.items]
        items = _ordered(self.items, values, self.stage, None)
        marked = tuple(replace(item, is_scored=mark) for item, mark in zip(items, marks, strict=True))
        return replace(self, items=marked, score_kind=kind, trace=self.trace.then(*steps))

    def rearranged(self, places: Sequence[int], *, stage: str, steps: Sequence[Step] = ()) -> Ranking:
        """Keep the documents at `places`, from 0, in this order; scores stand, and so need not descend.

        Those that were scored remember where they stood.
        """
        stood = [self.items[place] for place in places]
        items = tuple(
            replace(item, rank=rank, history=_remembering(self.stage, item) if item.is_scored else item.history)
            for rank, item in enumerate(stood, 1)
        )
        return replace(self, items=items, stage=stage, trace=self.trace.then(*steps))

    def at_least(self, min_score: float, *, kind: ScoreKind | str | None = None, given: str | None = None) -> Ranking:
        """Keep documents scored `min_score` or more; those that no model came to are left out.

        Only calibrated probabilities mean the same everywhere, so a threshold on any other
        kind of score must name it. Raises InputError when it does not, or names another.

        `given` is the stage that ordered the candidates before: where that order still stands, since there was no
        time, the reranker failed or a gate spoke against it, there is no score to judge by; nor is there where another
        model, whose scores are of another kind, took the asked one's place. All stays then, and the trace says so.
        """
        if not isinstance(min_score, Real) or not math.isfinite(min_score):
            raise InputError(f"min_score must be a finite number, got {min_score!r}")
        wanted = ScoreKind.CALIBRATED_PROBABILITY if kind is None else _kind(kind)
        facts = {"min_score": f"{min_score:g}", "kind": wanted.value}
        reason = self._unjudged(wanted, given) if len(self) else ""
        if reason:
            note = f"min_score={min_score:g} was not applied: {reason}"
            return self.traced(Step("threshold", 0.0, {"documents": len(self), "kept": len(self)}, facts, (note,)))
        if len(self) and self.score_kind is not wanted:
            raise InputError(
                f"min_score={min_score:g} is meant for a {wanted.value}, but these scores are of kind"
                f" {self.score_kind.value!r}; calibrate the reranker, or name the kind"
            )
        kept = tuple(item for item in self.items if item.is_scored and item.score >= min_score)
        counts = {"documents": len(self), "kept": len(kept)}
        left_out = sum(not item.is_scored for item in self.items) if self.is_partial else 0
        notes = (f"{left_out} of {len(self)} documents were not scored, and are left out",) if left_out else ()
        return replace(self, items=kept, trace=self.trace.then(Step("threshold", 0.0, counts, facts, notes)))

    def _unjudged(self, wanted: ScoreKind, given: str | None) -> str:
        """Return why there is no score of the `wanted` kind, where the caller could not know; else an empty text."""
        if not self.is_scored_after(given):
            return f"no document was scored, and the {self.stage} order stands"
        if self.score_kind is not wanted and self.trace.stand_in:
            return f"{self.trace.stand_in} took over, and its scores are of kind {self.score_kind.value!r}"
        return ""

    def is_scored_after(self, stage: str | None) -> bool:
        """Whether a model scored any of these documents after `stage`, where one is named, had ordered them."""
        was_ordered = stage is None or any(standing.stage == stage for item in self.items for standing in item.history)
        return was_ordered and (not self.is_partial or any(item.is_scored for item in self.items))

    def head(self, top_k: int | None) -> Ranking:
        """Keep the first `top_k`; None keeps all. Raises InputError when it is below 1."""
        return self if check_top_k(top_k) is None else replace(self, items=self.items[:top_k])

    def traced(self, *steps: Step) -> Ranking:
        """Return this ranking with more steps in its trace."""
        return replace(self, trace=self.trace.then(*steps))


def _kind(kind: ScoreKind | str) -> ScoreKind:
    try:
        return ScoreKind(kind)
    except ValueError:
        known = ", ".join(repr(one.value) for one in ScoreKind)
        raise InputError(f"there is no kind of score {kind!r}; there are: {known}") from None


def _remembering(stage: str, item: ScoredDocument) -> tuple[Standing, ...]:
    return (*item.history, Standing(stage, item.rank, item.score))


def check_top_k(top_k: int | None, *, name: str = "top_k") -> int | None:
    """Return `top_k` as it is, or raise InputError when it is not None and not a whole number from 1."""
    if top_k is not None and (isinstance(top_k, bool) or not isinstance(top_k, Integral) or top_k < 1):
        raise InputError(f"{name} must be a whole number from 1, or None for all; got {top_k!r}")
    return top_k


def descending(scores: npt.ArrayLike) -> list[int]:
    """Return the places of `scores`, the highest first; equal scores keep their order."""
    order: list[int] = np.argsort(-np.asarray(scores), kind="stable").tolist()
    return order


def _ordered(
    items: Sequence[ScoredDocument], scores: npt.ArrayLike, stage: str, top_k: int | None
) -> tuple[ScoredDocument, ...]:
    values = np.asarray(scores, dtype=np.float32)  # [documents]
    if values.shape != (len(items),):
        raise ScoreError(f"{stage} gave scores of shape {values.shape} for {len(items)} documents")
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        first = items[bad[0]].document
        raise ScoreError(
            f"{stage} gave {values[bad[0]]} for document {first.doc_id!r}"
            f" ({len(bad)} of {len(items)} scores are not finite); the model or its precision cannot be trusted on it"
        )
    order = descending(values)[: check_top_k(top_k)]
    return tuple(
        ScoredDocument(items[place].document, float(values[place]), rank, items[place].history)
        for rank, place in enumerate(order, 1)
    )
