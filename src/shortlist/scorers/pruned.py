"""A cross-encoder with exits, which reads on only candidates that may still reach the top k."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from shortlist.errors import InputError, UnsupportedModelError
from shortlist.inference.load import Runtime, load_stages
from shortlist.inference.session import Precision
from shortlist.inference.stages import Stages
from shortlist.protocols import Scorer
from shortlist.scorers.pairs import Readings, read_pairs
from shortlist.scorers.pruning import Floats, fitted_for, survivors
from shortlist.scorers.report import empty_notes
from shortlist.types import Document, Query, Ranking, ScoreKind, Step, monotonic_ms
from shortlist.types.ranking import check_top_k, descending


class Pruned:
    """Scores at every exit, and drops what stands more than a margin below the k-th there (Cascade Transformer).

    (Soldaini & Moschitti 2020.) `margins` hold for each `top_k` one margin an exit; those of the smallest one from the
    asked one on are taken, and k is that one. Without a `top_k`, or with margins for smaller ones only, nothing is
    dropped. Those dropped follow, in the order of the last exit that they came to, and are not `is_scored`. `beside`
    is a scorer of which `weight` times the score is added at every exit, as in a `Blend`; the first exit, before the
    first layer, knows nothing else. Documents are read from their head, up to `max_length` tokens with the query.
    """

    def __init__(
        self,
        stages: Stages,
        *,
        fingerprint: str,
        margins: Mapping[int, Sequence[float]],
        max_length: int = 512,
        beside: Scorer | None = None,
        weight: float = 1.0,
    ) -> None:
        exits = len(stages.sessions)
        for top_k, given in margins.items():
            check_top_k(top_k)
            if len(given) != exits or any(not margin >= 0 for margin in given):
                raise InputError(f"{exits} margins from 0 are needed for top_k={top_k}, one an exit; got {list(given)}")
        self._stages = stages
        self._margins = {top_k: tuple(given) for top_k, given in margins.items()}
        self._max_length = max_length
        self._beside, self._weight = beside, np.float32(weight)
        added = f" + {weight:g} x ({beside.fingerprint})" if beside else ""
        self.fingerprint = f"{fingerprint}:{max_length}:head{added}"

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        margins: Mapping[int, Sequence[float]] | None = None,
        engine: str = "auto",
        precision: Precision | str = Precision.AUTO,
        threads: int | None = None,
        beside: Scorer | None = None,
        weight: float = 1.0,
    ) -> Pruned:
        """Load a folder with `exit_heads.safetensors`; its stages are exported once into the cache.

        `margins` are `safe_margins`' of the same model's `scores` and `beside`; without them nothing is dropped.
        Raises as `CrossEncoder.load` does.
        """
        runtime = Runtime.of(engine, precision, threads=threads, device="cpu")
        loaded = load_stages(str(folder), runtime)
        if loaded.folder.labels != 1:
            raise UnsupportedModelError(f"{folder} has {loaded.folder.labels} labels; exits are for models with one")
        return cls(
            loaded.stages,
            fingerprint=loaded.fingerprint,
            margins=margins or {},
            max_length=loaded.folder.max_length,
            beside=beside,
            weight=weight,
        )

    def rerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        """Return a permutation of the candidates, or its first `top_k`."""
        began = monotonic_ms()
        check_top_k(top_k)
        if not len(candidates):
            return candidates
        query, documents = candidates.query, candidates.documents
        read = self._read(query, documents)
        values, steps = self._added(query, documents)
        added, passage = values, self._stages.begin(read.inputs)
        nothing_dropped = len(documents), (math.inf,) * len(self._stages.sessions)
        kth, margins = fitted_for(self._margins, top_k) or nothing_dropped
        places, order, reached = list(range(len(documents))), list(range(len(documents))), []
        for margin in margins:
            ranked = descending(values)
            order[: len(places)] = [places[i] for i in ranked]
            places = sorted(order[: survivors(values[ranked], top_k=kth, margin=margin)])
            values = passage.advance(places) + added[places]
            reached.append(len(places))
        step = self._step(began, documents, read, reached)
        return _ranked(candidates, places, order, values, self._kind, (*steps, step)).head(top_k)

    def scores(self, query: Query, documents: Sequence[Document]) -> Floats:
        """Return every exit's scores and then the final ones, `[exits + 1, documents]`, nothing dropped."""
        inputs = self._read(query, documents).inputs
        added, _ = self._added(query, documents)
        passage, everyone = self._stages.begin(inputs), range(len(inputs))
        return np.stack([added, *(passage.advance(everyone) + added for _ in self._stages.sessions)])

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
        unread, pruned = len(documents) - reached[0], len(documents) - reached[-1]
        notes = [*empty_notes(documents), *read.notes]
        notes += [f"{len(read.truncations)} texts cut (head)"] if read.truncations else []
        notes += [f"{pruned} documents dropped at an exit, out of reach of the top"] if pruned else []
        notes += [f"{unread} of them were left unread, before the first layer"] if unread else []
        return Step(
            _STAGE,
            monotonic_ms() - began,
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
