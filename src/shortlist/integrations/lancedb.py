"""LanceDB: a reranker for vector, full-text and hybrid queries (lancedb 0.40).

    from shortlist.integrations.lancedb import ShortlistReranker
    table.search("how tall?", query_type="hybrid").rerank(ShortlistReranker()).limit(5).to_list()

https://lancedb.com/docs/reranking/custom-reranker/
"""

from __future__ import annotations

from typing import Any

from shortlist import protocols
from shortlist._optional import require
from shortlist.build.reranker import Reranker
from shortlist.errors import InputError
from shortlist.integrations.rows import reranked

_rerankers = require("lancedb.rerankers", extra="lancedb")
_arrow = require("pyarrow", extra="lancedb")
_Reranker: Any = _rerankers.Reranker

_SCORE = "_relevance_score"


class ShortlistReranker(_Reranker):
    """Orders rows by the text in `column`; all columns stay, `_relevance_score` is the reranker's."""

    def __init__(
        self, reranker: protocols.Reranker | None = None, *, column: str = "text", return_score: str = "relevance"
    ) -> None:
        super().__init__(return_score)
        self._reranker = reranker or Reranker()
        self._column = column

    def rerank_hybrid(self, query: str, vector_results: Any, fts_results: Any) -> Any:
        """Rerank the rows of both."""
        return self._ordered(query, self.merge_results(vector_results, fts_results))

    def rerank_vector(self, query: str, vector_results: Any) -> Any:
        """Rerank the rows of a vector query."""
        return self._ordered(query, vector_results)

    def rerank_fts(self, query: str, fts_results: Any) -> Any:
        """Rerank the rows of a full-text query."""
        return self._ordered(query, fts_results)

    def _ordered(self, query: str, table: Any) -> Any:
        if self._column not in table.column_names:
            raise InputError(f"the table has no column {self._column!r}, it has {table.column_names}; name the column")
        rows = reranked(self._reranker, query, [text or "" for text in table[self._column].to_pylist()])
        made = table.take(_arrow.array([row for row, _ in rows], _arrow.int64()))
        made = made.append_column(_SCORE, _arrow.array([score for _, score in rows], _arrow.float32()))
        return (
            made.drop_columns([c for c in ("_distance", "_score") if c in made.column_names])
            if (self.score == "relevance")
            else made
        )
