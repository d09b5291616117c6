"""The two-line start: a reranker by name, and `rank`."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

from shortlist.build.models import load_model
from shortlist.scorers.pointwise import Pointwise
from shortlist.settings import DEFAULT_MODEL
from shortlist.types import Document, Query, Ranking
from shortlist.types.document import documents_of


class Reranker:
    """A model that puts documents into the order of their relevance to a query.

    The constructor only stores; the model is loaded at the first use, or by `load`.
    Safe to use from several threads.
    """

    def __init__(self, model: str = DEFAULT_MODEL, *, kind: str | None = None, **options: Any) -> None:
        self._model = model
        self._kind = kind
        self._options = options
        self._lock = threading.Lock()
        self._loaded: Pointwise | None = None

    @classmethod
    def load(cls, model: str = DEFAULT_MODEL, *, kind: str | None = None, **options: Any) -> Reranker:
        """Load a model now.

        `model` is a packaged name, a name of the catalogue (`shortlist models` lists both), a folder,
        or a hub repository `owner/name`. `kind` is needed only where neither the catalogue nor the
        model's files say what it is. `options` are those of the scorer, e.g. `precision="fp32"`,
        `engine="onnxruntime"`, `long_documents="passages-max"`.
        Raises ModelNotFoundError, CorruptModelError, UnsupportedModelError or MissingExtraError,
        each saying what to do.
        """
        reranker = cls(model, kind=kind, **options)
        reranker._ready()
        return reranker

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

    def _ready(self) -> Pointwise:
        with self._lock:
            if self._loaded is None:
                self._loaded = Pointwise(load_model(self._model, kind=self._kind, **self._options))
            return self._loaded


_DEFAULT = Reranker()


def rank(
    query: str | Query, documents: Iterable[str | Mapping[str, Any] | Document], *, top_k: int | None = None
) -> Ranking:
    """Rank documents for a query with the packaged model, which is loaded at the first call and kept."""
    return _DEFAULT.rank(query, documents, top_k=top_k)
