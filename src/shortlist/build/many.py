"""Many queries, each with its own documents, ranked in steps; an error says of which query it is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from shortlist.errors import InputError, ShortlistError
from shortlist.protocols import Reranker
from shortlist.scorers.groups import AT_ONCE, rerank_many
from shortlist.types import Document, Query, Ranking
from shortlist.types.document import documents_of
from shortlist.types.ranking import check_top_k


def candidates_of(
    queries: Iterable[str | Query], documents: Iterable[Iterable[str | Mapping[str, Any] | Document]]
) -> list[Ranking]:
    """Return each query's documents in the given order; raises InputError that names a wrong one's place, from 0."""
    if isinstance(queries, str | Query):
        raise InputError("queries must be a list of queries, not a single one; for one query there is rank")
    asked, given = list(queries), []
    for place, own in enumerate(documents):  # each at once: the lists of a `groupby` are gone with the next one
        with _of_query(place):
            given.append(documents_of(own))
    if len(asked) != len(given):
        raise InputError(
            f"{len(asked)} queries came with {len(given)} lists of documents; give each query its own list"
        )
    many = []
    for place, (query, own) in enumerate(zip(asked, given, strict=True)):
        with _of_query(place):
            many.append(Ranking.in_order(Query.of(query), own))
    return many


def ranked_in_steps(
    reranker: Reranker, many: Sequence[Ranking], *, top_k: int | None, is_shared: bool
) -> Iterator[Ranking]:
    """Yield each query's ranking; those of a step share batches where `is_shared`, and are made in turn otherwise."""
    check_top_k(top_k)
    for start in range(0, len(many), AT_ONCE):
        yield from _step(reranker, many[start : start + AT_ONCE], start, top_k, is_shared)


def _step(reranker: Reranker, some: Sequence[Ranking], first: int, top_k: int | None, is_shared: bool) -> list[Ranking]:
    if is_shared:
        with contextlib.suppress(ShortlistError):  # it comes again below, from the query whose it is
            return rerank_many(reranker, some, top_k=top_k)
    ranked = []
    for place, candidates in enumerate(some, first):
        with _of_query(place):
            ranked.append(reranker.rerank(candidates, top_k=top_k))
    return ranked


@contextlib.contextmanager
def _of_query(place: int) -> Iterator[None]:
    try:
        yield
    except ShortlistError as error:  # the same error, of the same type and with all that it holds
        error.args = (f"query {place}: {error}", *error.args[1:])
        if isinstance(error, ImportError):
            error.msg = error.args[0]
        raise
