"""LlamaIndex: a node postprocessor that reranks, and a retriever over an index (llama-index-core 0.14).

    from shortlist.integrations.llama_index import ShortlistRerank
    index.as_query_engine(node_postprocessors=[ShortlistRerank(top_n=5)])

https://developers.llamaindex.ai/python/framework/module_guides/querying/node_postprocessors/
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from pydantic import ConfigDict, Field, model_validator

from shortlist._optional import require
from shortlist.build.reranker import Reranker
from shortlist.errors import InputError
from shortlist.integrations.rows import Rows, about, areranked, reranked, score_of
from shortlist.pipeline import Pipeline
from shortlist.settings import DEFAULT_MODEL

_core = require("llama_index.core.retrievers", extra="llama-index")
_schema = require("llama_index.core.schema", extra="llama-index")
_postprocessors = require("llama_index.core.postprocessor.types", extra="llama-index")
_BaseNodePostprocessor: Any = _postprocessors.BaseNodePostprocessor
_BaseRetriever: Any = _core.BaseRetriever


class ShortlistRerank(_BaseNodePostprocessor):
    """Keeps the best `top_n` nodes, best first; nodes are the very ones that came, with the reranker's score.

    A node is read as LlamaIndex embeds it: with its metadata but for its `excluded_embed_metadata_keys`.
    It is made of a `model` by its name, with options as in `name[precision=fp32]`, which `to_dict` stores, or of
    a `reranker`, which has to be given to `from_dict` again.
    """

    model_config = ConfigDict(extra="forbid")

    model: str | None = Field(None, frozen=True)
    reranker: Any = Field(exclude=True, frozen=True)
    top_n: int | None = 5

    @classmethod
    def class_name(cls) -> str:
        """Return the name that `to_dict` stores."""
        return "ShortlistRerank"

    @model_validator(mode="before")
    @classmethod
    def _with_reranker(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        model = given.get("model")
        if given.get("reranker") is not None:
            if model is not None:
                raise InputError("give a model or a reranker, not both")
            return given
        if "model" in given and model is None:
            raise InputError("the reranker was stored without its name; give it again: from_dict(data, reranker=...)")
        model = os.fspath(given.get("model", DEFAULT_MODEL))
        return {**given, "model": model, "reranker": Reranker(model)}

    def _postprocess_nodes(self, nodes: list[Any], query_bundle: Any = None) -> list[Any]:
        return _kept(nodes, reranked(self.reranker, _query(query_bundle), _texts(nodes), top_k=self.top_n))

    async def _apostprocess_nodes(self, nodes: list[Any], query_bundle: Any = None) -> list[Any]:
        return _kept(nodes, await areranked(self.reranker, _query(query_bundle), _texts(nodes), top_k=self.top_n))


class ShortlistRetriever(_BaseRetriever):
    """Searches an index that `open_pipeline` opened; of a node's metadata, rerankers read the title."""

    def __init__(self, pipeline: Pipeline, *, top_k: int = 5, depth: int = 100) -> None:
        super().__init__()
        self._pipeline, self._top_k, self._depth = pipeline, top_k, depth

    def _retrieve(self, query_bundle: Any) -> list[Any]:
        ranking = self._pipeline.search(query_bundle.query_str, top_k=self._top_k, depth=self._depth)
        found = []
        for item in ranking:
            metadata = about(item.document)
            unread = [key for key in metadata if key != "title" or not metadata[key]]
            node = _schema.TextNode(
                text=item.document.text, id_=item.doc_id, metadata=metadata, excluded_embed_metadata_keys=unread
            )
            found.append(_schema.NodeWithScore(node=node, score=score_of(item)))
        return found

    async def _aretrieve(self, query_bundle: Any) -> list[Any]:
        return await asyncio.to_thread(self._retrieve, query_bundle)


def _query(query_bundle: Any) -> str:
    if query_bundle is None:
        raise InputError("reranking needs the query; pass query_bundle or query_str to postprocess_nodes")
    return str(query_bundle.query_str)


def _texts(nodes: list[Any]) -> list[str]:
    return [node.node.get_content(metadata_mode=_schema.MetadataMode.EMBED) for node in nodes]


def _kept(nodes: list[Any], rows: Rows) -> list[Any]:
    return [_schema.NodeWithScore(node=nodes[row].node, score=score) for row, score in rows]
