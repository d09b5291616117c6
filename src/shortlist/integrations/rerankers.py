"""The shape of rerankers 0.10 (AnswerDotAI), so that switching is one import.

    from shortlist.integrations.rerankers import Reranker
    Reranker("shortlist-l6").rank("how tall?", ["330 m", "of iron"], doc_ids=["a", "b"]).top_k(1)

https://github.com/AnswerDotAI/rerankers. Equal texts stay distinct; a failure is an error, never None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shortlist.build import reranker
from shortlist.errors import InputError
from shortlist.integrations.rerankers_results import Document, RankedResults, Result
from shortlist.integrations.rows import Rows, areranked, reranked
from shortlist.settings import DEFAULT_MODEL

__all__ = ["Document", "RankedResults", "Reranker", "Result"]


# Their names for the default of a family, where ours is the packaged model.
_FAMILIES = {"cross-encoder", "flashrank", "t5"}


class Reranker:
    """Reranks texts or Documents; other options are those of `shortlist.Reranker.load`.

    "cross-encoder", "flashrank" and "t5" are the packaged model, which reads English: with them another `lang` is
    refused. `model_type`, `verbose` and `batch_size` are taken and not needed.
    """

    def __init__(
        self,
        model_name: str = DEFAULT_MODEL,
        lang: str = "en",
        model_type: str | None = None,
        verbose: int = 1,
        batch_size: int = 16,
        **options: Any,
    ) -> None:
        if model_name in _FAMILIES and lang != "en":
            raise InputError(f"the packaged model reads English, not {lang!r}; name one, such as 'bge-reranker-v2-m3'")
        name = DEFAULT_MODEL if model_name in _FAMILIES else model_name
        self._reranker = reranker.Reranker.load(name, **options)

    def rank(
        self,
        query: str,
        docs: str | Document | Sequence[str | Document],
        doc_ids: Sequence[str | int] | None = None,
        metadata: Sequence[Mapping[str, Any]] | None = None,
        batch_size: int | None = None,
    ) -> RankedResults:
        """Return every document, best first; ids and metadata given here replace those of Documents.

        `batch_size` is taken and not needed. Raises InputError when ids or metadata are not as many as documents.
        """
        given = _given(docs, doc_ids, metadata)
        return _results(query, given, reranked(self._reranker, query, [document.text for document in given]))

    def score(self, query: str, doc: str) -> float | None:
        """Return the score of one text; None where the model failed and its fallback stands."""
        return reranked(self._reranker, query, [doc])[0][1]

    def as_langchain_compressor(self, k: int = 10) -> Any:
        """Return a compressor for LangChain that keeps the best `k`; raises MissingExtraError without it."""
        from shortlist.integrations.langchain import ShortlistCompressor

        return ShortlistCompressor(reranker=self._reranker, top_k=k)

    async def rank_async(
        self, query: str, docs: str | Document | Sequence[str | Document], doc_ids: Sequence[str | int] | None = None
    ) -> RankedResults:
        """Return what `rank` does, without blocking the event loop."""
        given = _given(docs, doc_ids, None)
        return _results(query, given, await areranked(self._reranker, query, [document.text for document in given]))


def _given(docs: Any, doc_ids: Any, metadata: Any) -> list[Document]:
    listed = [docs] if isinstance(docs, str | Document) else docs
    given = [Document(one) if isinstance(one, str) else one for one in listed]
    own = [place if one.doc_id is None else one.doc_id for place, one in enumerate(given)]
    ids = own if doc_ids is None else list(doc_ids)
    about = [one.metadata for one in given] if metadata is None else list(metadata)
    if not len(ids) == len(about) == len(given):
        raise InputError(f"{len(given)} documents came with {len(ids)} doc_ids and {len(about)} metadata")
    return [Document(one.text, doc_id, of) for one, doc_id, of in zip(given, ids, about, strict=True)]


def _results(query: str, given: Sequence[Document], rows: Rows) -> RankedResults:
    return RankedResults([Result(given[row], score, rank) for rank, (row, score) in enumerate(rows, 1)], query)
