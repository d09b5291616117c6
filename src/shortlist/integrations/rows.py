"""What all adapters share: texts of a host are ranked by their row, so that its own objects come back untouched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist.build import reranker as by_name
from shortlist.errors import InputError
from shortlist.pipeline.awaiting import arerank
from shortlist.protocols import Reranker, Scorer
from shortlist.scorers.groups import score_in_steps
from shortlist.types import Document, Query, Ranking, ScoredDocument

Rows = list[tuple[int, float | None]]
"""Rows of a host's texts, best first, each with its score; None where the reranker did not come to it."""


def candidates(query: str, texts: Sequence[str]) -> Ranking:
    """Return texts as candidates that are named by their row: a text that is there twice stays two."""
    return Ranking.in_order(Query(query), [Document(text, str(row)) for row, text in enumerate(texts)])


def reranked(reranker: Reranker, query: str, texts: Sequence[str], *, top_k: int | None = None) -> Rows:
    """Return the rows of the texts, as a reranker orders them."""
    return _rows(_checked(reranker).rerank(candidates(query, texts), top_k=top_k))


async def areranked(reranker: Reranker, query: str, texts: Sequence[str], *, top_k: int | None = None) -> Rows:
    """Return what `reranked` does, without blocking the event loop."""
    return _rows(await arerank(_checked(reranker), candidates(query, texts), top_k=top_k))


def pair_scores(scorer: Scorer, pairs: Sequence[tuple[str, str]]) -> npt.NDArray[np.float32]:
    """Return one score a pair of query and text, `[pairs]`, however many queries there are; they share batches."""
    groups = [
        (Query(query), [Document(text, str(row)) for row, (_, text) in enumerate(group)])
        for query, group in groupby(pairs, key=lambda pair: pair[0])
    ]
    scores = [one.values for one in score_in_steps(scorer, groups)]
    return np.concatenate(scores) if scores else np.empty(0, dtype=np.float32)


def named(options: Any) -> Any:
    """Return a host's options with the reranker of that name in place of `model`."""
    if not isinstance(options, Mapping) or "model" not in options or "reranker" in options:
        return options
    rest = {name: value for name, value in options.items() if name != "model"}
    return {**rest, "reranker": by_name.Reranker(options["model"])}


def score_of(item: ScoredDocument) -> float | None:
    """Return a document's score, or None where the last stage did not come to it."""
    return item.score if item.is_scored else None


def about(document: Document) -> dict[str, Any]:
    """Return a found document's metadata with its title and place, for hosts that keep only metadata.

    What the metadata themselves have under these names stays.
    """
    return {"title": document.title, "place": str(document.place or ""), **document.metadata}


def _checked(reranker: Reranker) -> Reranker:
    if not isinstance(reranker, Reranker):  # hosts store what they are given, and look at it here
        raise InputError(f"a reranker is expected, got {reranker!r:.80}; shortlist.Reranker(name) makes one of a name")
    return reranker


def _rows(ranking: Ranking) -> Rows:
    return [(int(item.doc_id), score_of(item)) for item in ranking]
