"""A cross-encoder with exits, which reads on only candidates that may still reach the top k."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from shortlist.errors import InputError, UnsupportedModelError
from shortlist.inference.load import Runtime, load_stages
from shortlist.inference.session import Precision
from shortlist.inference.stages import Stages
from shortlist.protocols import Scorer
from shortlist.scorers.pairs import Readings, read_pairs
from shortlist.scorers.pruning import Floats, safe_margins, survivors
from shortlist.types import Document, Query, Ranking, ScoreKind, Step
from shortlist.types.ranking import check_top_k


class Pruned:
    """Scores at every exit, and drops what stands more than a margin below the `top_k`-th there (Cascade Transformer).

    (Soldaini & Moschitti 2020.) Without a `top_k`, or with margins for a smaller one, nothing is dropped. Those
    dropped follow, in the order of the last exit that they came to, and are not `is_scored`. `beside` is a scorer
    of which `weight` times the score is added at every exit, as in a `Blend`. Documents are read from their
    head, up to `max_length` tokens with the query.
    """

    def __init__(
        self,
        stages: Stages,
        *,
        fingerprint: str,
        margins: Sequence[float],
        top_k: int,
        max_length: int = 512,
        beside: Scorer | None = None,
        weight: float = 1.0,
    ) -> None:
        if len(margins) != len(stages.sessions) - 1 or any(not margin >= 0 for margin in margins):
            raise InputError(f"{len(stages.sessions) - 1} margins from 0 are needed, one an exit; got {list(margins)}")
        self._stages = stages
        self._margins = tuple(margins)
        self._top_k = check_top_k(top_k) or 1
        self._max_length = max_length
        self._beside, self._weight = beside, np.float32(weight)
        added = f" + {weight:g} x ({beside.fingerprint})" if beside else ""
        self.fingerprint = f"{fingerprint}:{max_length}:head{added}"

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        margins: Sequence[float] | None = None,
        top_k: int = 1,
        engine: str = "auto",
        precision: Precision | str = Precision.AUTO,
        threads: int | None = None,
        beside: Scorer | None = None,
        weight: float = 1.0,
    ) -> Pruned:
        """Load a folder with `exit_heads.safetensors`; its stages are exported once into the cache.

        `margins` are `margins_for`'s of the same model, `beside` and `top_k`; without them nothing is dropped.
        Raises as `CrossEncoder.load` does.
        """
        runtime = Runtime.of(engine, precision, threads=threads, device="cpu")
        loaded = load_stages(str(folder), runtime)
        if loaded.folder.labels != 1:
            raise UnsupportedModelError(f"{folder} has {loaded.folder.labels} labels; exits are for models with one")
        return cls(
            loaded.stages,
            fingerprint=loaded.fingerprint,
            margins=[math.inf] * (len(loaded.stages.sessions) - 1) if margins is None else margins,
            top_k=top_k,
            max_length=loaded.folder.max_length,
            beside=beside,
            weight=weight,
        )

    def rerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        """Return a permutation of the candidates, or its first `top_k`."""
        began = time.perf_counter()
        check_top_k(top_k)
        if not len(candidates):
            return candidates
        query, documents = candidates.query, candidates.documents
        read = self._read(query, documents)
        inputs = read.inputs
        added, steps = self._added(query, documents)
        passage = self._stages.begin(inputs)
        places, order, reached = list(range(len(inputs))), list(range(len(inputs))), []
        values = np.zeros(0, dtype=np.float32)
        for margin in (*self._margins, None):
            values = passage.advance(places) + added[places]
            reached.append(len(places))
            ranked = np.argsort(-values, kind="stable")
            order[: len(places)] = [places[i] for i in ranked]
            if margin is not None:
                goes_on = top_k is not None and top_k <= self._top_k
                kept = survivors(values[ranked], top_k=top_k or 1, margin=margin) if goes_on else len(places)
                places = sorted(order[:kept])
        step = self._step(began, documents, read, reached)
        return _ranked(candidates, places, order, values, self._kind, (*steps, step)).head(top_k)

    def margins_for(self, rankings: Sequence[Ranking], *, top_k: int, risk: float = 0.05) -> tuple[float, ...]:
        """Return one margin an exit from queries like those to come, with `risk` shared among the exits.

        A query to come loses one of its final `top_k` with a probability of at most `risk`.
        """
        scores = [self.scores(ranking.query, ranking.documents) for ranking in rankings if len(ranking)]
        return safe_margins(scores, top_k=top_k, risk=risk) if scores else (math.inf,) * len(self._margins)

    def scores(self, query: Query, documents: Sequence[Document]) -> Floats:
        """Return every exit's scores and then the final ones, `[exits + 1, documents]`, nothing dropped."""
        inputs = self._read(query, documents).inputs
        added, _ = self._added(query, documents)
        passage, everyone = self._stages.begin(inputs), range(len(inputs))
        return np.stack([passage.advance(everyone) + added for _ in self._stages.sessions])

    def close(self) -> None:
        """End the threads."""
        self._stages.close()

    @property
    def _kind(self) -> ScoreKind:
        return ScoreKind.LOGIT if self._beside is None else ScoreKind.WEIGHTED_SUM

    def _read(self, query: Query, documents: Sequence[Document]) -> Readings:
        return read_pairs(self._stages.tokenizer, query, documents, max_length=self._max_length)

    def _added(self, query: Query, documents: Sequence[Document]) -> tuple[Floats, tuple[Step, ...]]:
        if self._beside is None:
            return np.zeros(len(documents), dtype=np.float32), ()
        scores = self._beside.score(query, documents)
        return self._weight * scores.values, (scores.step,)

    def _step(
        self,
        began: float,
        documents: Sequence[Document],
        read: Readings,
        reached: Sequence[int],
    ) -> Step:
        session = self._stages.sessions[0]
        stages = {f"stage_{number}": count for number, count in enumerate(reached)}
        pruned = len(documents) - reached[-1]
        notes = [f"{sum(not d.full_text.strip() for d in documents)} documents are empty"]
        notes = [] if notes[0].startswith("0 ") else notes
        notes += [f"{len(read.truncations)} texts cut (head)"] if read.truncations else []
        notes += [f"{pruned} documents dropped at an exit, out of reach of the top"] if pruned else []
        return Step(
            _STAGE,
            (time.perf_counter() - began) * 1000,
            {"documents": len(documents), "tokens": sum(map(len, read.inputs)), "pruned": pruned, **stages},
            {"model": self.fingerprint, "engine": session.engine, "precision": session.precision.value},
            tuple(notes),
            read.truncations,
        )


_STAGE = "pruned cross-encoder"


def _ranked(
    candidates: Ranking,
    places: Sequence[int],
    order: Sequence[int],
    values: Floats,
    kind: ScoreKind,
    steps: Sequence[Step],
) -> Ranking:
    """Sort those scored to the end, `places` of the candidates; the others follow as `order` has them."""
    read = replace(candidates, items=tuple(candidates.items[place] for place in places))
    ranking = read.reordered(values, kind=kind, stage=_STAGE, steps=steps)
    dropped = [candidates.items[place] for place in order[len(places) :]]
    behind = ranking.before_rest_of(replace(candidates, items=(*read.items, *dropped)))
    return replace(behind, items=tuple(replace(item, rank=rank) for rank, item in enumerate(behind.items, 1)))
