"""LangChain: a compressor that reranks, and a retriever over an index (langchain-core 1).

    from shortlist.integrations.langchain import ShortlistCompressor
    ContextualCompressionRetriever(base_compressor=ShortlistCompressor(top_k=5), base_retriever=yours)

https://reference.langchain.com/python/langchain_core/documents/
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from pydantic import AliasChoices, ConfigDict, Field, model_validator

from shortlist._optional import require
from shortlist.build.reranker import Reranker
from shortlist.integrations.rows import Rows, about, areranked, named, reranked, score_of
from shortlist.pipeline import Pipeline

_documents = require("langchain_core.documents", extra="langchain")
_retrievers = require("langchain_core.retrievers", extra="langchain")
_BaseDocumentCompressor: Any = _documents.BaseDocumentCompressor
_BaseRetriever: Any = _retrievers.BaseRetriever


class ShortlistCompressor(_BaseDocumentCompressor):
    """Keeps the best `top_k` documents, best first; ids and metadata stay, `relevance_score` is added to a copy.

    A `model` by its name may be given for the `reranker`, and `top_n`, as LangChain's own have it, for `top_k`.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    reranker: Any = Field(default_factory=Reranker)
    top_k: int | None = Field(5, validation_alias=AliasChoices("top_k", "top_n"))

    _named = model_validator(mode="before")(named)

    def compress_documents(self, documents: Sequence[Any], query: str, callbacks: Any = None) -> list[Any]:
        """Rerank documents."""
        return _kept(documents, reranked(self.reranker, query, _texts(documents), top_k=self.top_k))

    async def acompress_documents(self, documents: Sequence[Any], query: str, callbacks: Any = None) -> list[Any]:
        """Rerank documents without blocking the event loop."""
        return _kept(documents, await areranked(self.reranker, query, _texts(documents), top_k=self.top_k))


class ShortlistRetriever(_BaseRetriever):
    """Searches an index that `open_pipeline` opened; place, heading and score are in the metadata.

    A call may say another `top_k` and `depth`: `retriever.invoke("how tall?", top_k=3)`.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    pipeline: Pipeline
    top_k: int = 5
    depth: int = 100

    def _get_relevant_documents(
        self, query: str, *, run_manager: Any = None, top_k: int | None = None, depth: int | None = None
    ) -> list[Any]:
        wanted = self.top_k if top_k is None else top_k
        ranking = self.pipeline.search(query, top_k=wanted, depth=self.depth if depth is None else depth)
        return [
            _documents.Document(
                item.document.text,
                id=item.doc_id,
                metadata={**about(item.document), "relevance_score": score_of(item)},
            )
            for item in ranking
        ]

    async def _aget_relevant_documents(self, query: str, *, run_manager: Any = None, **wanted: Any) -> list[Any]:
        return await asyncio.to_thread(self._get_relevant_documents, query, **wanted)


def _texts(documents: Sequence[Any]) -> list[str]:
    return [document.page_content for document in documents]


def _kept(documents: Sequence[Any], rows: Rows) -> list[Any]:
    made = [(documents[row], score) for row, score in rows]
    return [d.model_copy(update={"metadata": {**d.metadata, "relevance_score": score}}) for d, score in made]
