"""Haystack: a ranker and a retriever component (haystack-ai 3).

    from shortlist.integrations.haystack import ShortlistRanker
    pipeline.add_component("ranker", ShortlistRanker(top_k=5))

https://docs.haystack.deepset.ai/docs/custom-components
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shortlist import protocols
from shortlist._optional import require
from shortlist.build.reranker import Reranker
from shortlist.errors import InputError
from shortlist.integrations.rows import Rows, about, areranked, reranked, score_of
from shortlist.pipeline import Pipeline
from shortlist.settings import DEFAULT_MODEL

_haystack = require("haystack", extra="haystack")
if TYPE_CHECKING:
    from haystack import Document
else:
    Document = _haystack.Document


@_haystack.component
class ShortlistRanker:
    """Keeps the best `top_k` documents, best first; ids and meta stay, `score` is the reranker's.

    It is made of a `model` by its name, with options as in `name[precision=fp32]`, which a pipeline's YAML stores, or
    of a `reranker`, which is not. The values of `meta_fields_to_embed` are read before a document's content.
    """

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        top_k: int | None = 5,
        *,
        meta_fields_to_embed: list[str] | None = None,
        reranker: protocols.Reranker | None = None,
    ) -> None:
        self.model, self.top_k, self.meta_fields_to_embed = model, top_k, meta_fields_to_embed
        self.reranker = reranker
        self._reranker = reranker or Reranker(model)

    def to_dict(self) -> dict[str, Any]:
        """Return what makes it again. Raises InputError when it was made of a reranker."""
        if self.reranker is not None:
            raise InputError("a reranker cannot be stored; make the component of a model's name")
        about = {"model": self.model, "top_k": self.top_k, "meta_fields_to_embed": self.meta_fields_to_embed}
        stored: dict[str, Any] = _haystack.default_to_dict(self, **about)
        return stored

    def warm_up(self) -> None:
        """Load the model, unless it is there."""
        if isinstance(self._reranker, Reranker):
            self._reranker.ready()

    @_haystack.component.output_types(documents=list[Document])
    def run(self, query: str, documents: list[Document], top_k: int | None = None) -> dict[str, Any]:
        """Rerank documents."""
        texts = _texts(documents, self.meta_fields_to_embed or [])
        rows = reranked(self._reranker, query, texts, top_k=self.top_k if top_k is None else top_k)
        return {"documents": _kept(documents, rows)}

    @_haystack.component.output_types(documents=list[Document])
    async def run_async(self, query: str, documents: list[Document], top_k: int | None = None) -> dict[str, Any]:
        """Rerank documents without blocking the event loop."""
        texts = _texts(documents, self.meta_fields_to_embed or [])
        rows = await areranked(self._reranker, query, texts, top_k=self.top_k if top_k is None else top_k)
        return {"documents": _kept(documents, rows)}


@_haystack.component
class ShortlistRetriever:
    """Searches an index that `open_pipeline` opened; place and title are in the meta."""

    def __init__(self, pipeline: Pipeline, top_k: int = 5, depth: int = 100) -> None:
        self._pipeline, self._top_k, self._depth = pipeline, top_k, depth

    @_haystack.component.output_types(documents=list[Document])
    def run(self, query: str, top_k: int | None = None) -> dict[str, Any]:
        """Retrieve and rerank."""
        ranking = self._pipeline.search(query, top_k=self._top_k if top_k is None else top_k, depth=self._depth)
        found = [
            Document(id=item.doc_id, content=item.document.text, meta=about(item.document), score=score_of(item))
            for item in ranking
        ]
        return {"documents": found}

    @_haystack.component.output_types(documents=list[Document])
    async def run_async(self, query: str, top_k: int | None = None) -> dict[str, Any]:
        """Retrieve and rerank without blocking the event loop."""
        return await asyncio.to_thread(self.run, query, top_k)


def _texts(documents: list[Any], fields: list[str]) -> list[str]:
    """Return the texts, after the values of the fields, one a line; None and what is empty is left out."""
    return ["\n".join([*_values(document.meta, fields), document.content or ""]) for document in documents]


def _values(meta: dict[str, Any], fields: list[str]) -> list[str]:
    return [str(meta[field]) for field in fields if meta.get(field)]


def _kept(documents: list[Any], rows: Rows) -> list[Any]:
    return [replace(documents[row], score=score) for row, score in rows]
