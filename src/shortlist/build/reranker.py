"""The two-line start: a reranker by name, and `rank`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shortlist.build.models import load_model, options_of, split_kind
from shortlist.inference.biencoder import BiEncoder
from shortlist.pipeline import Breaker, Fallback
from shortlist.protocols import AsyncScorer
from shortlist.scorers.pointwise import Pointwise
from shortlist.settings import DEFAULT_MODEL, Settings
from shortlist.types import Document, Query, Ranking
from shortlist.types.document import documents_of


@dataclass(frozen=True, slots=True)
class _Named:
    """A model to be loaded: its name, kind and options."""

    name: str
    kind: str | None
    options: Mapping[str, Any]

    @classmethod
    def of(cls, name: str, settings: Settings, encoder: BiEncoder | None = None) -> _Named:
        kind, rest = split_kind(name)
        options = options_of(settings, kind, rest)
        return cls(rest, kind, options if kind else {**options, "encoder": encoder})

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.kind else self.name


class Reranker:
    """A model that puts documents into the order of their relevance to a query.

    The constructor only stores; the model is loaded at the first use, or by `load`.
    Safe to use from several threads.
    """

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        kind: str | None = None,
        fallback: Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        chain = None if fallback is None else [_Named.of(name, Settings()) for name in fallback]
        self._store(_Named(model, kind, options), chain)

    def _store(self, first: _Named, fallback: Sequence[_Named] | None) -> None:
        self._first = first
        self._fallback = fallback
        self._lock = threading.Lock()
        self._loaded: Pointwise | Fallback | None = None

    @classmethod
    def load(
        cls,
        model: str = DEFAULT_MODEL,
        *,
        kind: str | None = None,
        fallback: Sequence[str] | None = None,
        **options: Any,
    ) -> Reranker:
        """Load a model now.

        `model` is a packaged name, a folder, a hub repository `owner/name`, or the model or
        address of a server. `kind` is only needed for what is no cross-encoder (see `shortlist
        models`). `options` are those of the scorer, e.g. `precision="fp32"`,
        `engine="onnxruntime"`, `long_documents="passages-max"`. `fallback` names what is asked
        in turn when it fails (`kind:name` for other kinds); after the last of them the given
        order stands. Without it an error is raised.
        Raises ModelNotFoundError, CorruptModelError, UnsupportedModelError, AuthenticationError
        or MissingExtraError, each saying what to do.
        """
        return cls(model, kind=kind, fallback=fallback, **options).ready()

    @classmethod
    def of(cls, settings: Settings, *, encoder: BiEncoder | None = None) -> Reranker:
        """Take the reranker that the settings name, to be loaded at the first use."""
        reranker = cls.__new__(cls)
        chain = [_Named.of(name, settings, encoder) for name in settings.fallback]
        reranker._store(_Named.of(settings.model, settings, encoder), chain or None)
        return reranker

    def ready(self) -> Reranker:
        """Load what is not loaded yet, and return this reranker."""
        self._ready()
        return self

    def rank(
        self,
        query: str | Query,
        documents: Iterable[str | Mapping[str, Any] | Document],
        *,
        top_k: int | None = None,
    ) -> Ranking:
        """Rank documents for a query, best first; all of them, or the first `top_k`.

        Documents are strings, mappings with `text`, or `Document`; without an id of their
        own they are named by their place, from 0. Equal scores keep the given order.
        """
        asked = Query.of(query)
        return self.rerank(Ranking.in_order(asked, documents_of(documents)), top_k=top_k)

    def rerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        """Return a permutation of the candidates, or its first `top_k`."""
        return self._ready().rerank(candidates, top_k=top_k)

    async def arerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        """Return what `rerank` returns, without blocking the event loop (asyncio).

        A server is awaited; a model on this machine runs in another thread.
        """
        reranker = await asyncio.to_thread(self._ready)
        return await reranker.arerank(candidates, top_k=top_k)

    def _ready(self) -> Pointwise | Fallback:
        with self._lock:
            if self._loaded is None:
                self._loaded = _loaded(self._first, self._fallback)
            return self._loaded


def _loaded(first: _Named, fallback: Sequence[_Named] | None) -> Pointwise | Fallback:
    """Load a model, or a chain of which every server is behind a circuit breaker."""
    if fallback is None:
        return Pointwise(load_model(first.name, kind=first.kind, **first.options))
    return Fallback([(str(named), _guarded(named)) for named in (first, *fallback)])


def _guarded(named: _Named) -> Pointwise | Breaker:
    scorer = load_model(named.name, kind=named.kind, **named.options)
    reranker = Pointwise(scorer)
    return Breaker(reranker, name=str(named)) if isinstance(scorer, AsyncScorer) else reranker


_DEFAULT = Reranker()


def rank(
    query: str | Query, documents: Iterable[str | Mapping[str, Any] | Document], *, top_k: int | None = None
) -> Ranking:
    """Rank documents for a query with the packaged model, which is loaded at the first call and kept."""
    return _DEFAULT.rank(query, documents, top_k=top_k)
