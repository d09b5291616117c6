"""Several scorers' scores added up with fixed weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shortlist.protocols import Group, Scorer
from shortlist.scorers.asked_of import close, is_at_hand, with_stored
from shortlist.scorers.groups import score_groups
from shortlist.scorers.pointwise import counted
from shortlist.types import Document, Query, ScoreKind, Scores, Step, monotonic_ms


class Blend:
    """A weighted sum of raw scores, so that a document's score does not depend on the others.

    Nothing is normalised over the candidates: the weights have to bring the scales together.
    """

    def __init__(self, parts: Sequence[tuple[Scorer, float]]) -> None:
        self._parts = tuple(parts)
        self.fingerprint = " + ".join(f"{weight:g} x ({scorer.fingerprint})" for scorer, weight in self._parts)

    @property
    def parts(self) -> tuple[Scorer, ...]:
        """The scorers that are added up."""
        return tuple(scorer for scorer, _ in self._parts)

    @property
    def weights(self) -> tuple[float, ...]:
        """What each of the parts is multiplied by."""
        return tuple(weight for _, weight in self._parts)

    def without(self, *parts: Scorer) -> Blend:
        """Return the blend of the other parts, with the weights they have here."""
        return Blend([(scorer, weight) for scorer, weight in self._parts if all(scorer is not part for part in parts)])

    def has_stored(self, documents: Sequence[Document]) -> bool:
        """Whether every part finds at the documents what it would have to compute for them: see `is_at_hand`."""
        return all(is_at_hand(scorer, documents) for scorer in self.parts)

    def storing(self, documents: Sequence[Document]) -> Sequence[Document]:
        """Return the documents with what the parts would look for at them: see `with_stored`."""
        documents = self._tokenized(documents)
        for scorer in self.parts:
            documents = with_stored(scorer, documents)
        return documents

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        """Return one sum a document, `[documents]` in input order."""
        return self.score_groups([(query, documents)])[0]

    def score_groups(self, groups: Sequence[Group]) -> list[Scores]:
        """Return each group's sums; every part takes all groups together if it can."""
        began = monotonic_ms()
        read = [(query, self._tokenized(documents)) for query, documents in groups]
        by_part = [score_groups(scorer, read) for scorer, _ in self._parts]
        return [
            self._sum(began, [counted(one, len(documents)) for one in scores])
            for (_, documents), *scores in zip(groups, *by_part, strict=True)
        ]

    def _tokenized(self, documents: Sequence[Document]) -> Sequence[Document]:
        """Make the documents' token ids once, where every part reads those of the same tokenizer."""
        tokenizers = [getattr(scorer, "tokenizer", None) for scorer in self.parts]
        shared = tokenizers[0]
        if shared is None or any(one is None or one.fingerprint != shared.fingerprint for one in tokenizers):
            return documents
        carried: Sequence[Document] = shared.carried(documents, shared.ids_of(documents))
        return carried

    def close(self) -> None:
        """End the threads of those parts that have some."""
        for scorer, _ in self._parts:
            close(scorer)

    def _sum(self, began: float, scores: Sequence[Scores]) -> Scores:
        values = np.zeros(len(scores[0].values), dtype=np.float32)
        for one, (_, weight) in zip(scores, self._parts, strict=True):
            values += np.float32(weight) * one.values
        return Scores(values, ScoreKind.WEIGHTED_SUM, self._step(began, [one.step for one in scores]))

    def _step(self, began: float, steps: Sequence[Step]) -> Step:
        facts = {name: text for step in reversed(steps) for name, text in step.facts.items()}
        took = {f"{step.stage}_us": round(step.latency_ms * 1000) for step in steps}
        return Step(
            " + ".join(step.stage for step in steps),
            monotonic_ms() - began,
            {name: count for step in reversed(steps) for name, count in step.counts.items()} | took,
            {**facts, "model": self.fingerprint},
            tuple(note for step in steps for note in step.degradations),
            tuple(cut for step in steps for cut in step.truncations),
        )
