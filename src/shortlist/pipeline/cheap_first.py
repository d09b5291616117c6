"""An exit before the first layer: a reranker reads only candidates that may still reach the top k."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from shortlist.errors import InputError
from shortlist.protocols import Reranker, Scorer
from shortlist.scorers.asked_of import is_at_hand, timed, with_stored
from shortlist.scorers.groups import rerank_many
from shortlist.scorers.pointwise import counted_scores
from shortlist.scorers.pruning import fitted_for, survivors
from shortlist.types import Deadline, Ranking, ScoredDocument, Step, monotonic_ms
from shortlist.types.ranking import check_top_k, descending

STAGE = "cheap first"


@dataclass(frozen=True, slots=True)
class Chosen:
    """Candidates parted into those `to_read`, in their own order, and those `unread`, the most promising first.

    `promising` are those to read, the most promising first, and `by_cheap` is everyone by the cheap score; None where
    that was not needed, or not at hand.
    """

    to_read: Ranking
    promising: tuple[ScoredDocument, ...]
    unread: tuple[ScoredDocument, ...] = ()
    by_cheap: Ranking | None = None

    def most_promising_first(self) -> Ranking:
        """Return those to read in the order in which a deadline should find them."""
        return replace(self.to_read, items=self.promising)

    def put_together(self, read: Ranking) -> Ranking:
        """Put the unread behind those read; when a deadline let none be read, the cheap order stands."""
        if self.by_cheap is not None and read.unscored and read.unscored == len(self.to_read):
            return replace(self.by_cheap.as_unscored(), trace=read.trace, unscored=len(self.by_cheap))
        return read.before_rest_of(replace(self.to_read, items=(*self.to_read.items, *self.unread)))


class CheapFirst:
    """Reads candidates whose cheap score is at most a margin below the k-th best; the others follow by cheap score.

    (The exit before the first layer of a Cascade Transformer, Soldaini & Moschitti 2020.) `cheap` is the part of the
    reranker's sum that costs next to nothing, `margins` one margin for each fitted `top_k`: that of the smallest one
    from the asked one on is taken, and k is that one. Those not read are not `is_scored`. All are read when no
    `top_k` is asked for or none that was fitted is enough. Texts that `cheap` has to encode, as the reranker would, are
    encoded once for both; not by a deadline, and not where `encodes` is false: then all are read. Without
    `margins` nobody is left out; what remains is that a deadline finds the most promising first.
    """

    def __init__(
        self, cheap: Scorer, reranker: Reranker, *, margins: Mapping[int, float], encodes: bool = True
    ) -> None:
        for top_k, margin in margins.items():
            check_top_k(top_k)
            if not margin >= 0:
                raise InputError(f"a margin must be a number from 0; got {margin} for top_k={top_k}")
        self._cheap, self._margins, self._encodes = cheap, dict(margins), encodes
        self.reranker = reranker

    def over(self, reranker: Reranker, *, encodes: bool | None = None) -> CheapFirst:
        """Return the same choice in front of another reranker."""
        may_encode = self._encodes if encodes is None else encodes
        return CheapFirst(self._cheap, reranker, margins=self._margins, encodes=may_encode)

    def rerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        """Return a permutation of the candidates, or its first `top_k`."""
        chosen = self.choose(self._encoded([candidates], top_k)[0], top_k=top_k)
        return _with_given(chosen.put_together(self.reranker.rerank(chosen.to_read)).head(top_k), candidates)

    def rerank_many(self, many: Sequence[Ranking], *, top_k: int | None = None) -> list[Ranking]:
        """Return what `rerank` returns for each query's candidates; those to read share batches where they can."""
        chosen = [self.choose(candidates, top_k=top_k) for candidates in self._encoded(many, top_k)]
        read = rerank_many(self.reranker, [one.to_read for one in chosen])
        return [
            _with_given(one.put_together(ranking).head(top_k), candidates)
            for one, ranking, candidates in zip(chosen, read, many, strict=True)
        ]

    def rerank_within(self, candidates: Ranking, *, deadline: Deadline, top_k: int | None = None) -> Ranking:
        """Do the same by a deadline, the most promising first, so that it cuts off the least promising.

        When there was no time to read any, the cheap order stands, and the given one when there was none at all.
        Raises InputError when the reranker keeps no deadline.
        """
        reranker = timed(self.reranker)
        is_timed = 0 < deadline.left_ms < math.inf and not deadline.is_cancelled
        chosen = self.choose(candidates, top_k=top_k, is_timed=is_timed)
        return chosen.put_together(reranker.rerank_within(chosen.most_promising_first(), deadline=deadline)).head(top_k)

    def has_say(self, candidates: Ranking, *, is_timed: bool) -> bool:
        """Whether `choose` may order, leave out or note anything."""
        return bool(self._margins) or (is_timed and is_at_hand(self._cheap, candidates.documents))

    def _encoded(self, many: Sequence[Ranking], top_k: int | None) -> list[Ranking]:
        """Encode texts without a vector, those of all queries together, where that lets some be left unread."""
        fitted, done = fitted_for(self._margins, check_top_k(top_k)), list(many)
        if fitted is None or not self._encodes:
            return done
        waiting = [place for place, one in enumerate(done) if self._lacks_vectors(one, fitted[0])]
        began = monotonic_ms()
        given = [document for place in waiting for document in done[place].documents]
        stored = iter(with_stored(self._cheap, given))
        for place in waiting:
            items = tuple(replace(item, document=next(stored)) for item in done[place])
            fresh = sum(
                new.document.vector is not old.document.vector for new, old in zip(items, done[place], strict=True)
            )
            done[place] = replace(done[place], items=items)
            if fresh:
                counts = {"documents": len(items), "encoded": fresh}
                done[place] = done[place].traced(Step("vectors", monotonic_ms() - began, counts))
        return done

    def _lacks_vectors(self, candidates: Ranking, kth: int) -> bool:
        return len(candidates) > kth and not is_at_hand(self._cheap, candidates.documents)

    def choose(self, candidates: Ranking, *, top_k: int | None, is_timed: bool = False) -> Chosen:
        """Choose whom to read; by a deadline the cheap scores are wanted for the order, even if nobody is left out."""
        check_top_k(top_k)
        fitted, count = fitted_for(self._margins, top_k), len(candidates)
        has_scores = is_at_hand(self._cheap, candidates.documents)
        notes = []
        if self._margins and count and not has_scores:
            notes = ["none was left out: a document has no stored vector, so what is known before reading is not cheap"]
        elif self._margins and count and fitted is None:
            asked = top_k or "the whole order"
            notes = [f"none was left out: margins are for a top_k up to {max(self._margins)}, and {asked} is asked for"]
        if has_scores and count and (is_timed or (fitted is not None and count > fitted[0])):
            return self._parted(candidates, fitted, notes)
        return Chosen(candidates.traced(_step(count, 0, notes)) if self._margins else candidates, candidates.items)

    def _parted(self, candidates: Ranking, fitted: tuple[int, float] | None, notes: list[str]) -> Chosen:
        scores, count = counted_scores(self._cheap, candidates.query, candidates.documents), len(candidates)
        if not np.isfinite(scores.values).all():  # whoever reads a document says what is wrong with it
            notes = [*notes, "all were read as they were given: what is known before reading is no number"]
            return Chosen(candidates.traced(_step(count, 0, notes)), candidates.items)
        by_cheap = candidates.reordered(scores.values, kind=scores.kind, stage=STAGE)
        order = descending(scores.values)
        kth, margin = fitted or (count, math.inf)
        kept = survivors(scores.values[order], top_k=kth, margin=margin)
        if kept < count:
            behind = f"more than {margin:.3f} behind number {kth} by what is known without reading"
            notes = [*notes, f"{count - kept} of {count} documents were left unread: {behind}, out of reach of the top"]
        read = replace(candidates, items=tuple(candidates[place] for place in sorted(order[:kept])))
        ordered = tuple(candidates[place] for place in order)
        step = _step(count, count - kept, notes)
        if kept == count:  # the blend says what it cuts of everybody
            return Chosen(read.traced(step), ordered, (), by_cheap)
        return Chosen(read.traced(scores.step, step), ordered[:kept], ordered[kept:], by_cheap)


def _with_given(ranking: Ranking, candidates: Ranking) -> Ranking:
    """Put the documents back that were given, without what was computed for them."""
    given = {document.doc_id: document for document in candidates.documents}
    return replace(ranking, items=tuple(replace(item, document=given[item.doc_id]) for item in ranking))


def _step(documents: int, unread: int, notes: list[str]) -> Step:
    counts = {"documents": documents, "read": documents - unread, "unread": unread}
    return Step(STAGE, 0.0, counts, {}, tuple(notes))
