"""A reranker as a step of a PyTerrier pipeline.

    import pyterrier as pt
    from shortlist.integrations.pyterrier import reranking
    pipeline = retriever >> pt.text.get_text(dataset) >> reranking("shortlist-l6")

https://pyterrier.readthedocs.io/en/latest/datamodel.html: frames with `qid`, `query`, `docno`,
`text`; no Java is started for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from shortlist._optional import require
from shortlist.build.reranker import Reranker
from shortlist.errors import InputError
from shortlist.protocols import Reranker as RerankerProtocol
from shortlist.scorers.groups import AT_ONCE, rerank_many
from shortlist.settings import DEFAULT_MODEL
from shortlist.types import Document, Query, Ranking

_NEEDED = ("qid", "query", "docno", "text")


def reranking(model: str = DEFAULT_MODEL, *, kind: str | None = None, **options: Any) -> Any:
    """Load a model by name for `transformer`; options and errors are those of `Reranker.load`."""
    return transformer(Reranker.load(model, kind=kind, **options))


def transformer(reranker: RerankerProtocol) -> Any:
    """Return a reranker as a `pyterrier.Transformer` that reorders each query's rows; queries share batches.

    Columns it does not know stay as they are. `score` is the reranker's, `rank` counts from
    0 as PyTerrier's does. A missing text (None or NaN) is an empty one. Raises InputError for a frame without a needed
    column.
    """
    apply, pandas = require("pyterrier", extra="pyterrier").apply, require("pandas", extra="pyterrier")

    def reordered(frame: Any) -> Any:
        missing = [column for column in _NEEDED if column not in frame.columns]
        if missing:
            raise InputError(
                f"the frame has no column {missing[0]!r}, it has {list(frame.columns)};"
                " texts come from pt.text.get_text(...) before this step"
            )
        groups = [group for _, group in frame.groupby("qid", sort=False)]
        if not groups:
            return frame.assign(score=0.0, rank=0)  # of no row: only the columns
        return pandas.concat(_reranked(reranker, groups))

    return apply.generic(reordered)


def _reranked(reranker: RerankerProtocol, groups: Sequence[Any]) -> Iterator[Any]:
    for start in range(0, len(groups), AT_ONCE):  # so that memory stays bounded
        some = groups[start : start + AT_ONCE]
        yield from map(_reordered, some, rerank_many(reranker, list(map(_candidates, some))))


def _candidates(frame: Any) -> Ranking:
    query = Query(_texts(frame.head(1), "query")[0], str(frame["qid"].iloc[0]))
    # documents are told apart by their row, so that a docno that is there twice stays two
    documents = [Document(text, str(row)) for row, text in enumerate(_texts(frame, "text"))]
    return Ranking.in_order(query, documents)


def _texts(frame: Any, column: str) -> list[str]:
    return list(map(str, frame[column].astype(object).fillna("")))  # a missing one is not the word "nan"


def _reordered(frame: Any, ranking: Ranking) -> Any:
    made = frame.iloc[[int(item.doc_id) for item in ranking]].copy()
    made["score"] = [item.score for item in ranking]
    made["rank"] = [item.rank - 1 for item in ranking]
    return made
