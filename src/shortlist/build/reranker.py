"""The two-line start: a reranker by name, and `rank`."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from shortlist import protocols
from shortlist.build.calibration import level_of
from shortlist.build.models import LanguageModel, load_model, load_second_stage
from shortlist.calibration.fitted import ScoreCalibration
from shortlist.errors import InputError
from shortlist.pipeline.budgeted import Budgeted
from shortlist.pipeline.pipeline import due
from shortlist.scorers.calibrated import Calibrated
from shortlist.scorers.llm import Estimate, LLMReranker, PointwiseLLM
from shortlist.scorers.pointwise import Pointwise
from shortlist.settings import DEFAULT_MODEL
from shortlist.types import Cancel, Deadline, Document, Query, Ranking, ScoreKind
from shortlist.types.document import documents_of

_LOCAL = (None, "cross-encoder", "causal-lm", "seq2seq", "late-interaction", "bi-encoder", "lexical")


class Reranker:
    """A model that puts documents into the order of their relevance to a query.

    The constructor only stores; the model is loaded at the first use, or by `load`.
    `faster` names models that take its place, the first that can, when a budget is too
    small for it; they are loaded by `load`, or when a budget is first given. Safe to use from
    several threads. `calibration`, a file that `ScoreCalibration.save` wrote for this model, turns
    scores into probabilities.
    """

    def __init__(
        self,
        model: str | LanguageModel = DEFAULT_MODEL,
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
        self._loaded: protocols.Reranker | None = None
        self._made: ScoreCalibration | None = None
        self._budgeted: Budgeted | None = None

    @classmethod
    def load(
        cls,
        model: str | LanguageModel = DEFAULT_MODEL,
        *,
        kind: str | None = None,
        faster: Sequence[str] = (),
        calibration: Path | str | None = None,
        **options: Any,
    ) -> Reranker:
        """Load a model now.

        `model` is a packaged name, a name of the catalogue (`shortlist models` lists both), a folder,
        or a hub repository `owner/name`; for the kinds that prompt a language model it is that
        model's name on `server`, the path of a GGUF file, or a loaded Generator. `kind` is needed
        only where neither the catalogue nor the model's files say what it is. `options` are those
        of the scorer or reranker, e.g. `precision="fp32"`, `long_documents="passages-max"`,
        `server="http://localhost:8000/v1"`.
        Raises ModelNotFoundError, CorruptModelError, UnsupportedModelError or MissingExtraError,
        each saying what to do.
        """
        reranker = cls(model, kind=kind, faster=faster, calibration=calibration, **options)
        reranker._timed() if faster else reranker._ready()
        return reranker

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
            self._timed()  # loading is no part of the budget
        deadline = due(budget_ms, cancel=cancel)
        candidates = Ranking.in_order(Query.of(query), documents_of(documents))
        if deadline is None:
            ranking = self.rerank(candidates, top_k=top_k)
        else:
            ranking = self.rerank_within(candidates, deadline=deadline, top_k=top_k)
        return ranking if min_score is None else ranking.at_least(min_score, kind=min_score_kind)

    @property
    def fingerprint(self) -> str:
        """The loaded scorer's fingerprint, for fitting a calibration of its scores.

        Raises InputError for a reranker that gives an order only.
        """
        return self._scorer_of(self._ready()).fingerprint

    def rerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        """Return a permutation of the candidates, or its first `top_k`."""
        plain = self._ready()
        reranker = plain if self._made is None else Calibrated(plain, self._made)
        return reranker.rerank(candidates, top_k=top_k)

    def estimate(
        self,
        query: str | Query,
        documents: Iterable[str | Mapping[str, Any] | Document],
        *,
        top_k: int | None = None,
    ) -> Estimate:
        """Return what `rank` would take in calls, tokens and money, without asking the language model anything.

        Raises InputError for a reranker that makes no calls.
        """
        reranker = self._ready()
        if not isinstance(reranker, LLMReranker | PointwiseLLM):
            raise InputError(f"only rerankers that prompt a language model have an estimate, not kind {self._kind!r}")
        return reranker.estimate(Ranking.in_order(Query.of(query), documents_of(documents)), top_k=top_k)

    def rerank_within(self, candidates: Ranking, *, deadline: Deadline, top_k: int | None = None) -> Ranking:
        """Return the candidates in the best order that there is time for; see `Budgeted`."""
        timed = self._timed()
        reranker = timed if self._made is None else Calibrated(timed, self._made)
        return reranker.rerank_within(candidates, deadline=deadline, top_k=top_k)

    def _ready(self) -> protocols.Reranker:
        with self._lock:
            if self._loaded is None:
                loaded = load_second_stage(self._model, kind=self._kind, **self._options)
                self._made = self._calibration_of(loaded)
                self._loaded = loaded
            return self._loaded

    def _calibration_of(self, loaded: protocols.Reranker) -> ScoreCalibration | None:
        if self._calibration is None:
            return None
        if self._faster:
            raise InputError("a calibration holds for one model only; give no `faster` ones with it")
        made = ScoreCalibration.load(Path(self._calibration))
        scorer = self._scorer_of(loaded)
        if made.scorer != scorer.fingerprint:
            raise InputError(
                f"the calibration {self._calibration} is of {made.scorer}, not of {scorer.fingerprint}; fit one for it"
            )
        return made

    def _scorer_of(self, loaded: protocols.Reranker) -> protocols.Scorer:
        if isinstance(loaded, Pointwise):
            return loaded.scorer
        raise InputError(
            f"a reranker of kind {self._kind!r} orders candidates together: it has no scores to calibrate and keeps"
            " no deadline; cap its calls instead, or take a model that scores each document"
        )

    def _timed(self) -> Budgeted:
        reranker = self._ready()
        scorer = self._scorer_of(reranker)
        with self._lock:
            if self._budgeted is None:
                threads = self._options.get("threads")
                others = [(name, load_model(name, **self._options)) for name in self._faster]
                levels = [(str(self._model), scorer), *others]
                is_local = self._kind in _LOCAL  # what is far away is not probed: calls may cost money
                self._budgeted = Budgeted(
                    [level_of(name, one, threads=threads, is_local=is_local) for name, one in levels]
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
