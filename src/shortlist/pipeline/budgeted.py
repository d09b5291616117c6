"""Any scorers as one reranker that is done by a deadline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from shortlist.errors import InputError
from shortlist.inference.forks import ForkLock
from shortlist.planning.choice import first_in_time
from shortlist.planning.cost import CostModel
from shortlist.planning.lengths import sampled_lengths
from shortlist.planning.pace import Pace
from shortlist.protocols import Scorer
from shortlist.scorers.pointwise import Pointwise, counted_scores
from shortlist.types import Deadline, Document, Ranking, Scores, Step
from shortlist.types.trace import TOOK_OVER

READING = 0.05  # of what is left that may go into looking at texts, before a model is chosen
CANCEL_MS = 250.0  # how long a wish to stop may have to wait, as predicted


@dataclass(frozen=True, slots=True)
class Level:
    """A scorer, what it costs where that was calibrated, what to call it, and what to know about its calibration.

    `stored` is the cost of documents that have their vectors from an index, where that is another one.
    """

    scorer: Scorer
    cost: CostModel | None = None
    name: str = ""
    note: str = ""
    stored: CostModel | None = None

    @property
    def shown(self) -> str:
        """Its name, or its fingerprint when it has none."""
        return self.name or self.scorer.fingerprint


class Budgeted:
    """Scores candidates in the order they come, in chunks, until done, too late or cancelled.

    `levels` are models, best first. The first one that is predicted to finish is taken; when none is,
    the last does as many as it can; when it cannot do one, the given order stands. What
    was scored comes first, by score; the others follow in the order they came in: the
    same ranking as that of a smaller depth, so what a deadline costs is what depth is worth.
    A model is chosen by a sample of the texts, a chunk by its own.

    How fast each model really runs is remembered from call to call, so a busy machine is
    noticed. Safe to use from several threads. A scorer is never interrupted within a
    chunk: an answer can be late by what one chunk takes longer than predicted.
    """

    def __init__(self, levels: Sequence[Level]) -> None:
        if not levels:
            raise InputError("a budgeted reranker needs at least one level")
        self._levels = tuple(levels)
        plain, stored = ([level.cost for level in levels], [level.stored or level.cost for level in levels])
        self._paces = {False: list(map(Pace, plain)), True: list(map(Pace, stored))}  # by whether documents are stored
        self._lock = ForkLock()

    def rerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        """Rerank with the first level, without a deadline."""
        return Pointwise(self._levels[0].scorer).rerank(candidates, top_k=top_k)

    def rerank_within(self, candidates: Ranking, *, deadline: Deadline, top_k: int | None = None) -> Ranking:
        """Return the candidates in the best order that there is time for.

        The last step of the trace, "budget", says which level ran, how many candidates it scored
        and how it kept the deadline. Raises as `Pointwise.rerank` does.
        """
        documents, enough = candidates.documents, deadline.left_ms * (1 - READING)
        lengths = sampled_lengths(candidates.query, documents, is_late=lambda: deadline.left_ms < enough)
        left = deadline.left_ms
        now = self._paces[all(document.vector is not None for document in documents)]
        chosen, paces = self._choose(now, lengths, left)
        passed_over = [
            f"{level.shown} would take about {pace.predict_ms(lengths):.0f} ms for {len(lengths)} candidates,"
            f" {max(0.0, left):.0f} ms were left"
            for level, pace in zip(self._levels[:chosen], paces, strict=False)
        ]
        chunks = self._chunks(now, chosen, candidates, lengths, deadline) if chosen is not None else []
        step = self._step(chosen, chunks, len(candidates), deadline, passed_over)
        steps = (*([Step.joined([chunk.step for chunk in chunks])] if chunks else []), step)
        return candidates.partly_reordered(
            _tied(documents, np.concatenate([chunk.values for chunk in chunks])) if chunks else (),
            kind=chunks[0].kind if chunks else candidates.score_kind,
            stage=chunks[0].step.stage if chunks else candidates.stage,
            top_k=top_k,
            steps=steps,
        )

    def _choose(self, now: list[Pace], lengths: Sequence[int], left_ms: float) -> tuple[int | None, Sequence[Pace]]:
        """Return the level to run, and every level's pace as it was judged; those passed over rest."""
        with self._lock:
            paces = tuple(now)
            chosen = first_in_time(paces, lengths, left_ms=left_ms)
            for place, pace in enumerate(paces[:chosen] if left_ms > 0 else ()):
                now[place] = pace.rested(was_last=place == len(paces) - 1)
        return chosen, paces

    def _chunks(
        self, now: list[Pace], chosen: int, candidates: Ranking, lengths: Sequence[int], deadline: Deadline
    ) -> list[Scores]:
        scorer, documents = self._levels[chosen].scorer, candidates.documents
        longest = CANCEL_MS if deadline.cancel is not None else math.inf
        chunks: list[Scores] = []
        done = 0
        while not deadline.is_cancelled:
            with self._lock:
                pace = now[chosen]
            count = pace.fitting(lengths[done:], left_ms=deadline.left_ms, longest_ms=longest)
            own = sampled_lengths(candidates.query, documents[done : done + count])  # those of this chunk, looked at
            count = pace.fitting(own, left_ms=deadline.left_ms, longest_ms=longest)
            if not count:
                break
            began = deadline.clock()
            chunks.append(counted_scores(scorer, candidates.query, documents[done : done + count]))
            if chunks[-1].step.counts.get("cached"):  # what a cache knew says nothing of the model's pace
                learned = replace(pace, is_rested=False)
            else:
                learned = pace.after(own[:count], deadline.clock() - began)
            with self._lock:
                now[chosen] = learned
            done += count
        return chunks

    def _step(
        self, chosen: int | None, chunks: Sequence[Scores], candidates: int, deadline: Deadline, notes: list[str]
    ) -> Step:
        scored, left = sum(len(chunk.values) for chunk in chunks), deadline.left_ms
        if chosen is not None and self._levels[chosen].note:
            notes = [*notes, self._levels[chosen].note]
        if scored < candidates:
            why = "cancelled" if deadline.is_cancelled else f"budget of {deadline.budget_ms:g} ms"
            notes = [*notes, f"{why}: {scored} of {candidates} candidates were scored, the others keep their order"]
        if left < 0:
            notes = [*notes, f"{-left:.0f} ms over the budget of {deadline.budget_ms:g} ms"]
        counts = {"candidates": candidates, "scored": scored, "chunks": len(chunks)}
        facts = {
            "budget_ms": f"{deadline.budget_ms:g}",
            "left_ms": f"{left:.1f}",
            "level": self._levels[chosen].shown if chosen is not None else "none",
        }
        if chosen:
            facts[TOOK_OVER] = facts["level"]
        return Step("budget", 0.0, counts, facts, tuple(notes))


def _tied(documents: Sequence[Document], values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Give equal texts the score of the first of them: those of another chunk may differ in the last bit."""
    first: dict[str, int] = {}
    places = [first.setdefault(document.full_text, place) for place, document in enumerate(documents[: len(values)])]
    return values[places]
