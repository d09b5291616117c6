"""The two-line start: a reranker by name, and `rank`."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from shortlist.build.calibration import level_of
from shortlist.build.models import load_model
from shortlist.calibration.fitted import ScoreCalibration
from shortlist.errors import InputError
from shortlist.pipeline.budgeted import Budgeted
from shortlist.pipeline.pipeline import due
from shortlist.protocols import Scorer
from shortlist.scorers.calibrated import Calibrated
from shortlist.scorers.pointwise import Pointwise
from shortlist.settings import DEFAULT_MODEL
from shortlist.types import Cancel, Deadline, Document, Query, Ranking, ScoreKind
from shortlist.types.document import documents_of

_LOCAL = (None, "cross-encoder", "bi-encoder", "lexical")


class Reranker:
    """A model that puts documents into the order of their relevance to a query.

    The constructor only stores; the model is loaded at the first use, or by `load`.
    `faster` names models that take its place, the first that can, when a budget is too
    small for it; they are loaded by `load`, or when a budget is first given. `calibration`, a
    file that `ScoreCalibration.save` wrote for this model, turns scores into probabilities.
    Safe to use from several threads.
    """

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        kind: str | None = None,
        faster: Sequence[str] = (),
        calibration: Path | str | None = None,
        **options: Any,
    ) -> None:
        self._model = model
        self._kind = kind
        self._faster = tuple(faster)
        self._calibration = calibration
        self._options = options
        self._lock = threading.Lock()
        self._scorer: Scorer | None = None
        self._made: ScoreCalibration | None = None
        self._budgeted: Budgeted | None = None

    @classmethod
    def load(
        cls,
        model: str = DEFAULT_MODEL,
        *,
        kind: str | None = None,
        faster: Sequence[str] = (),
        calibration: Path | str | None = None,
        **options: Any,
    ) -> Reranker:
        """Load a model now.

        `model` is a packaged name, a folder, or a hub repository `owner/name`. `kind` is only
        needed for what is no cross-encoder (see `shortlist models`). `options` are those of
        the scorer, e.g. `precision="fp32"`, `engine="onnxruntime"`, `long_documents="passages-max"`.
        Raises ModelNotFoundError, CorruptModelError, UnsupportedModelError or MissingExtraError,
        each saying what to do.
        """
        reranker = cls(model, kind=kind, faster=faster, calibration=calibration, **options)
        reranker._timed() if faster else reranker._ready()
        return reranker

    def expect_budgets(self) -> None:
        """Load every model now and find out how fast it is, so that no budget is spent on that.

        What `shortlist calibrate` measured is used; a local model without it is tried for a
        moment. Without this, pace is learned in use, and the first budgets are used with caution.
        """
        self._timed(may_probe=True)

    def rank(
        self,
        query: str | Query,
        documents: Iterable[str | Mapping[str, Any] | Document],
        *,
        top_k: int | None = None,
        budget_ms: float | None = None,
        cancel: Cancel | None = None,
        min_score: float | None = None,
        min_score_kind: ScoreKind | str | None = None,
    ) -> Ranking:
        """Rank documents for a query, best first; all of them, or the first `top_k`.

        Documents are strings, mappings with `text`, or `Document`; without an id of their
        own they are named by their place, from 0. Equal scores keep the given order.

        With a `budget_ms` the best ranking there is time for comes back, the documents
        scored in the given order (so give the most promising ones first); `is_partial` says
        when time was short. What loading takes at the first use is not counted. `cancel`, a
        `threading.Event` or its like, ends it in the same way.

        `min_score` keeps what is scored so or better: a probability, which takes a
        `calibration`, or a score of the kind that `min_score_kind` names. Raises InputError otherwise.
        """
        if budget_ms is not None:
            self.expect_budgets()
        deadline = due(budget_ms, cancel=cancel)
        candidates = Ranking.in_order(Query.of(query), documents_of(documents))
        if deadline is None:
            ranking = self.rerank(candidates, top_k=top_k)
        else:
            ranking = self.rerank_within(candidates, deadline=deadline, top_k=top_k)
        return ranking if min_score is None else ranking.at_least(min_score, kind=min_score_kind)

    @property
    def fingerprint(self) -> str:
        """The loaded scorer's fingerprint, for fitting a calibration of its scores."""
        return self._ready().fingerprint

    def rerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        """Return a permutation of the candidates, or its first `top_k`."""
        plain = Pointwise(self._ready())
        reranker = plain if self._made is None else Calibrated(plain, self._made)
        return reranker.rerank(candidates, top_k=top_k)

    def rerank_within(self, candidates: Ranking, *, deadline: Deadline, top_k: int | None = None) -> Ranking:
        """Return the candidates in the best order that there is time for; see `Budgeted`."""
        timed = self._timed()
        reranker = timed if self._made is None else Calibrated(timed, self._made)
        return reranker.rerank_within(candidates, deadline=deadline, top_k=top_k)

    def _ready(self) -> Scorer:
        with self._lock:
            if self._scorer is None:
                scorer = load_model(self._model, kind=self._kind, **self._options)
                self._made = self._calibration_of(scorer)
                self._scorer = scorer
            return self._scorer

    def _calibration_of(self, scorer: Scorer) -> ScoreCalibration | None:
        if self._calibration is None:
            return None
        if self._faster:
            raise InputError("a calibration holds for one model only; give no `faster` ones with it")
        made = ScoreCalibration.load(Path(self._calibration))
        if made.scorer != scorer.fingerprint:
            raise InputError(
                f"the calibration {self._calibration} is of {made.scorer}, not of {scorer.fingerprint}; fit one for it"
            )
        return made

    def _timed(self, *, may_probe: bool = False) -> Budgeted:
        scorer = self._ready()
        with self._lock:
            if self._budgeted is None:
                threads = self._options.get("threads")
                others = [(name, load_model(name, **self._options)) for name in self._faster]
                levels = [(self._model, scorer), *others]
                probes = may_probe and self._kind in _LOCAL  # what is far away is not tried: calls may cost money
                self._budgeted = Budgeted(
                    [level_of(name, one, threads=threads, may_probe=probes) for name, one in levels]
                )
            return self._budgeted


_DEFAULT = Reranker()


def rank(
    query: str | Query,
    documents: Iterable[str | Mapping[str, Any] | Document],
    *,
    top_k: int | None = None,
    budget_ms: float | None = None,
    cancel: Cancel | None = None,
    min_score: float | None = None,
    min_score_kind: ScoreKind | str | None = None,
) -> Ranking:
    """Rank documents for a query with the packaged model, which is loaded at the first call and kept.

    The options are those of `Reranker.rank`.
    """
    return _DEFAULT.rank(
        query,
        documents,
        top_k=top_k,
        budget_ms=budget_ms,
        cancel=cancel,
        min_score=min_score,
        min_score_kind=min_score_kind,
    )
