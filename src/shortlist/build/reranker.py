"""A reranker by its name, for one query, for many, awaited, and within a budget."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from shortlist import protocols
from shortlist.build.arguments import check_candidates, names_of, refuse_unknown
from shortlist.build.calibration import level_of
from shortlist.build.exits import promising_first
from shortlist.build.many import candidates_of, ranked_in_steps
from shortlist.build.models import LanguageModel
from shortlist.build.named import Estimating, Named, is_remote, loaded, pointwise_of
from shortlist.calibration.fitted import ScoreCalibration
from shortlist.errors import InputError
from shortlist.inference.biencoder import BiEncoder
from shortlist.inference.forks import ForkLock
from shortlist.pipeline import Budgeted, CheapFirst
from shortlist.pipeline.awaiting import arerank, cancellable
from shortlist.pipeline.fused import share
from shortlist.pipeline.pipeline import due
from shortlist.scorers.asked_of import innermost
from shortlist.scorers.calibrated import Calibrated
from shortlist.scorers.occlusion import WHOLE, Explanation, explained
from shortlist.scorers.registry import reranker_kinds
from shortlist.settings import DEFAULT_MODEL, Settings
from shortlist.types import Cancel, Deadline, Document, Query, Ranking, ScoreKind
from shortlist.types.document import documents_of
from shortlist.types.ranking import GIVEN

if TYPE_CHECKING:  # it comes with all that asks language models
    from shortlist.scorers.llm import Estimate


class Reranker:
    """A model that puts documents into the order of their relevance to a query.

    The constructor only stores; the model is loaded at the first use, or by `load`.
    `faster` names models that take its place, the first that can, when a budget is too
    small for it. `fallback` names what is asked in turn when it fails (both `kind:name` for other
    kinds); after the last of them the given order stands. `calibration`, a file that
    `ScoreCalibration.save` wrote for this model, turns scores into probabilities. Safe to use
    from several threads; what is pickled for another process is what was stored, and the model is loaded there.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | LanguageModel = DEFAULT_MODEL,
        *,
        kind: str | None = None,
        faster: Sequence[str] = (),
        fallback: Sequence[str] | None = None,
        calibration: Path | str | None = None,
        encoder: BiEncoder | None = None,
        score_cache: str = "none",
        exits: str = "none",
        **options: Any,
    ) -> None:
        chain = None if fallback is None else [Named.of(name, Settings()) for name in names_of(fallback, of="fallback")]
        how: dict[str, Any] = {"encoder": encoder, "score_cache": score_cache}
        others = [Named.given(name, None, {}, defaults=options, **how) for name in names_of(faster, of="faster")]
        self._store(Named.given(model, kind, options, exits=exits, **how), others, chain, calibration)

    def _store(
        self,
        first: Named,
        faster: Sequence[Named],
        fallback: Sequence[Named] | None,
        calibration: Path | str | None = None,
    ) -> None:
        self._first = first
        self._faster = faster
        self._fallback = fallback
        self._calibration = calibration
        self._keeps_order = False
        self._lock = ForkLock()
        self._loaded: protocols.Reranker | None = None
        self._made: ScoreCalibration | None = None
        self._budgeted: Budgeted | CheapFirst | None = None

    def __getstate__(self) -> tuple[object, ...]:
        faster, chain = (
            None if some is None else [replace(named, encoder=None) for named in some]
            for some in (self._faster, self._fallback)
        )
        return replace(self._first, encoder=None), faster, chain, self._calibration, self._keeps_order

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        *stored, keeps_order = state
        self._store(*stored)
        self._keeps_order = keeps_order

    def __copy__(self) -> Reranker:
        return self

    def __deepcopy__(self, memo: object) -> Reranker:
        return self  # what is loaded is large, and nothing about it changes

    @classmethod
    def load(
        cls,
        model: str | os.PathLike[str] | LanguageModel = DEFAULT_MODEL,
        *,
        kind: str | None = None,
        faster: Sequence[str] = (),
        fallback: Sequence[str] | None = None,
        calibration: Path | str | None = None,
        encoder: BiEncoder | None = None,
        score_cache: str = "none",
        exits: str = "none",
        **options: Any,
    ) -> Reranker:
        """Load a model now.

        `model` is a packaged name, a name of the catalogue (`shortlist models` lists both), a folder,
        or a hub repository `owner/name`; for the kinds that ask a server it is the server's name for
        it, or its address; for those that prompt a language model it is that model's name on
        `server`, the path of a GGUF file, or a loaded Generator. `kind` is needed only where neither
        the catalogue nor the model's files say what it is. `options` are those of the scorer or
        reranker, e.g. `precision="fp32"`, `long_documents="passages-max"`,
        `server="http://localhost:8000/v1"`. Both may be said by the name: `kind:name[option=value]`. An open
        `encoder` is used where the model needs that one.
        Without a `fallback` a failure is an error. `score_cache` keeps the scores of pairs that come again: in
        "memory", on "disk" (a file that processes share), or in a file of yours; not those of a remote model.
        `exits`, a file that `shortlist exits` wrote for this model, or "packaged" for the packaged default's own, drops
        candidates that are out of reach of the `top_k` early, those of a blend before they are read.
        Raises ModelNotFoundError, CorruptModelError, UnsupportedModelError, AuthenticationError or
        MissingExtraError, each saying what to do.
        """
        given: dict[str, Any] = {"faster": faster, "fallback": fallback, "calibration": calibration, **options}
        return cls(model, kind=kind, encoder=encoder, score_cache=score_cache, exits=exits, **given).ready()

    @classmethod
    def of(
        cls,
        settings: Settings,
        *,
        encoder: BiEncoder | None = None,
        faster: Sequence[str] = (),
        calibration: Path | str | None = None,
    ) -> Reranker:
        """Take the reranker that the settings name, to be loaded at the first use."""
        reranker = cls.__new__(cls)
        first, *chain = (
            Named.of(name, settings, encoder) for name in (settings.model, *names_of(settings.fallback, of="fallback"))
        )
        others = [Named.of(name, settings, encoder) for name in names_of(faster, of="faster")]
        reranker._store(first, others, chain or None, calibration)
        reranker._keeps_order = share(settings.first_stage_weight) > 0  # its scores count, so its first ones do
        return reranker

    def ready(self) -> Reranker:
        """Load what is not loaded yet, and return this reranker."""
        self._timed() if self._faster else self._ready()
        return self

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
        **unknown: NoReturn,
    ) -> Ranking:
        """Rank documents for a query, best first; all of them, or the first `top_k`.

        Documents are strings, mappings with `text`, or `Document`; without an id of their
        own they are named by their place, from 0. Equal scores keep the given order.

        With a `budget_ms` the best ranking there is time for comes back, the documents
        scored in the given order (so give the most promising ones first), or in that of a blend's stored
        vectors and words where an index gave them; `is_partial` says
        when time was short. What loading takes at the first use is not counted. `cancel`, a
        `threading.Event` or its like, ends it in the same way.

        `min_score` keeps what is scored so or better: a probability, which takes a
        `calibration`, or a score of the kind that `min_score_kind` names. Raises InputError otherwise.
        """
        refuse_unknown(unknown, Reranker.rank)
        if budget_ms is not None:
            self.expect_budgets()
        ranking = self._ranked(query, documents, due(budget_ms, cancel=cancel), top_k)
        return ranking if min_score is None else ranking.at_least(min_score, kind=min_score_kind, given=GIVEN)

    def _ranked(
        self,
        query: str | Query,
        documents: Iterable[str | Mapping[str, Any] | Document],
        deadline: Deadline | None,
        top_k: int | None,
    ) -> Ranking:
        candidates = Ranking.in_order(Query.of(query), documents_of(documents))
        if deadline is None:
            return self.rerank(candidates, top_k=top_k)
        return self.rerank_within(candidates, deadline=deadline, top_k=top_k)

    def rank_many(
        self,
        queries: Iterable[str | Query],
        documents: Iterable[Iterable[str | Mapping[str, Any] | Document]],
        *,
        top_k: int | None = None,
        min_score: float | None = None,
        min_score_kind: ScoreKind | str | None = None,
        **unknown: NoReturn,
    ) -> list[Ranking]:
        """Rank for each of many queries its own list of documents, as `rank` does; up to 64 queries share batches.

        Scores are those of `rank` but for rounding (to the bit with `exact=True`), and a step's latency is that of all
        queries that were read with it. Where nothing can be shared (a model elsewhere, one that is prompted or orders
        documents together, a `fallback`, exits behind layers) queries are ranked in turn. There is no `budget_ms` and
        no `cancel`: queries that are read together are ready together. Raises what `rank` raises, with the query's
        place, from 0, in the message; no query has a ranking then, so give a `fallback` to a model that may fail.
        """
        refuse_unknown(unknown, Reranker.rank_many)
        many = candidates_of(queries, documents)
        ranked = self._in_steps(many, top_k)
        if min_score is None:
            return list(ranked)
        return [one.at_least(min_score, kind=min_score_kind, given=GIVEN) for one in ranked]

    async def arank(
        self,
        query: str | Query,
        documents: Iterable[str | Mapping[str, Any] | Document],
        *,
        top_k: int | None = None,
        budget_ms: float | None = None,
        min_score: float | None = None,
        min_score_kind: ScoreKind | str | None = None,
        **unknown: NoReturn,
    ) -> Ranking:
        """Do what `rank` does without blocking the event loop (asyncio).

        A budget counts the time in which no thread is free. When the task is cancelled, no further chunk begins; a
        reranker that orders documents together, or a fallback chain, goes on to its end, unheard.
        """
        refuse_unknown(unknown, Reranker.arank)
        keeps_deadlines = pointwise_of(await self._ready_soon()) is not None
        if budget_ms is not None and self._budgeted is None:
            await asyncio.to_thread(self.expect_budgets)
        asked = due(budget_ms)

        def work(cancel: Cancel) -> Ranking:
            deadline = asked
            if keeps_deadlines:
                deadline = due(None, cancel=cancel) if asked is None else replace(asked, cancel=cancel)
            return self._ranked(query, documents, deadline, top_k)

        ranking = await cancellable(work)
        return ranking if min_score is None else ranking.at_least(min_score, kind=min_score_kind, given=GIVEN)

    def explain(self, query: str | Query, document: str | Mapping[str, Any] | Document) -> Explanation:
        """Say which words of one document carried its score, by leaving them out: see `Explanation`.

        That takes as long as ranking some 33 such documents, and nothing is calibrated. Raises InputError for a
        reranker that gives an order only, and for a fallback chain.
        """
        asks = self._first.kind in reranker_kinds()  # and is not loaded for nothing
        reading = None if asks or self._fallback is not None else pointwise_of(self._ready())
        if reading is None:
            what = (
                f"{self._first}, which gets all candidates at once," if self._fallback is None else "a fallback chain"
            )
            raise InputError(f"{what} cannot be explained; take one model that scores each document by itself")
        return explained(reading.scorer, Query.of(query), Document.of(document, doc_id=WHOLE))

    @property
    def fingerprint(self) -> str:
        """The loaded scorer's fingerprint, for fitting a calibration of its scores.

        Raises InputError for a reranker that gives an order only.
        """
        return self._scorer_of(self._ready(), self._first).fingerprint

    def rerank(self, candidates: Ranking, *more: NoReturn, top_k: int | None = None) -> Ranking:
        """Return a permutation of the candidates, or its first `top_k`."""
        check_candidates(candidates, more, instead="rank")
        return self._complete().rerank(candidates, top_k=top_k)

    def rerank_many(self, many: Sequence[Ranking], *more: NoReturn, top_k: int | None = None) -> list[Ranking]:
        """Return what `rerank` returns for each query's candidates; see `rank_many`."""
        given = list(many)
        for candidates in given:
            check_candidates(candidates, more, instead="rank_many")
        return list(self._in_steps(given, top_k))

    async def arerank(self, candidates: Ranking, *more: NoReturn, top_k: int | None = None) -> Ranking:
        """Return what `rerank` returns, without blocking the event loop (asyncio).

        A server is awaited; a model on this machine runs in another thread.
        """
        check_candidates(candidates, more, instead="arank")
        plain = await self._ready_soon()
        if self._made is not None:
            return await asyncio.to_thread(self.rerank, candidates, top_k=top_k)
        return await arerank(plain, candidates, top_k=top_k)

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
        if not isinstance(reranker, Estimating):
            raise InputError(f"only rerankers that prompt a language model have an estimate, not {self._first}")
        return reranker.estimate(Ranking.in_order(Query.of(query), documents_of(documents)), top_k=top_k)

    def rerank_within(self, candidates: Ranking, *, deadline: Deadline, top_k: int | None = None) -> Ranking:
        """Return the candidates in the best order that there is time for; see `Budgeted`."""
        timed = self._timed()
        reranker = timed if self._made is None else Calibrated(timed, self._made)
        return reranker.rerank_within(candidates, deadline=deadline, top_k=top_k)

    def _in_steps(self, many: Sequence[Ranking], top_k: int | None) -> Iterator[Ranking]:
        reading = pointwise_of(self._ready())
        is_shared = reading is not None and isinstance(innermost(reading.scorer), protocols.GroupScorer)
        return ranked_in_steps(self._complete(), many, top_k=top_k, is_shared=is_shared)

    def _complete(self) -> protocols.Reranker:
        plain = self._ready()
        return plain if self._made is None else Calibrated(plain, self._made)

    def _ready(self) -> protocols.Reranker:
        with self._lock:
            if self._loaded is None:
                made = loaded(self._first, self._fallback)
                self._made = self._calibration_of(made)
                self._loaded = made
            return self._loaded

    async def _ready_soon(self) -> protocols.Reranker:
        """Load what is not loaded yet in another thread; there may be none free for what is."""
        loaded = self._loaded
        return await asyncio.to_thread(self._ready) if loaded is None else loaded

    def _calibration_of(self, reranker: protocols.Reranker) -> ScoreCalibration | None:
        if self._calibration is None:
            return None
        if self._faster:
            raise InputError("a calibration holds for one model only; give no `faster` ones with it")
        made = ScoreCalibration.load(Path(self._calibration))
        scorer = self._scorer_of(reranker, self._first)
        if made.scorer != scorer.fingerprint:
            raise InputError(
                f"the calibration {self._calibration} is of {made.scorer}, not of {scorer.fingerprint}; fit one for it"
            )
        return made

    def _scorer_of(self, reranker: protocols.Reranker, named: Named) -> protocols.Scorer:
        reading = pointwise_of(reranker)
        if reading is not None:
            return reading.scorer
        if self._fallback is not None:
            raise InputError(
                "a fallback chain keeps no deadline and has no calibration; name `faster` models for a budget instead"
            )
        raise InputError(
            f"{named} gets all candidates at once: it keeps no deadline and takes no calibration; {named.remedy}"
        )

    def _timed(self, *, may_probe: bool = False) -> Budgeted | CheapFirst:
        first = self._ready()
        with self._lock:
            if self._budgeted is None:
                levels = []
                for named, reranker in [(self._first, first), *((named, named.load()) for named in self._faster)]:
                    probes = may_probe and not is_remote(reranker)  # what is far away may cost money a call
                    scorer = self._scorer_of(reranker, named)
                    levels.append(level_of(str(named), scorer, threads=named.threads, may_probe=probes))
                made = Budgeted(levels)
                ordered = None if self._keeps_order else promising_first(made, levels[0].scorer)
                self._budgeted = first.over(made) if isinstance(first, CheapFirst) else ordered or made
            return self._budgeted
