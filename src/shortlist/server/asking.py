"""From a decoded request to a ranking: the model by its name, the limits, the fallback."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from shortlist.errors import InputError
from shortlist.pipeline import Fallback
from shortlist.pipeline.diverse import diversified
from shortlist.pipeline.fused import fused
from shortlist.server.faults import RefusedError, TooLargeError
from shortlist.server.models.asked import Ask
from shortlist.server.models.waiting import within
from shortlist.server.notes import Notes
from shortlist.server.settings import ServeSettings
from shortlist.server.state import State
from shortlist.types import QUERY_CUT, Document, Query, Ranking, Step
from shortlist.wire import Fault


def check_size(settings: ServeSettings, query: str, documents: Sequence[Document]) -> None:
    """Raise TooLargeError when a request holds more than the server takes; titles count, since they are read, too."""
    check_count(settings, len(documents))
    texts = [document.full_text for document in documents]
    if len(query) > settings.max_query_characters:
        raise TooLargeError(
            f"the query has {len(query)} characters, more than the {settings.max_query_characters} allowed"
        )
    longest = max(range(len(texts)), key=lambda place: len(texts[place]), default=None)
    if longest is not None and len(texts[longest]) > settings.max_document_characters:
        raise TooLargeError(
            f"document {longest} has {len(texts[longest])} characters,"
            f" more than the {settings.max_document_characters} allowed"
        )
    if sum(map(len, texts)) > settings.max_characters:
        raise TooLargeError(f"the documents have more than {settings.max_characters} characters together")


def check_count(settings: ServeSettings, count: int) -> None:
    """Raise TooLargeError for more documents than the server takes."""
    if count > settings.max_documents:
        raise TooLargeError(f"{count} documents are more than the {settings.max_documents} of a request")


def candidates_of(
    settings: ServeSettings,
    query: str,
    documents: Sequence[Document],
    *,
    truncates: bool = True,
    keeps_end: bool = False,
) -> Ranking:
    """Return a request's documents as candidates; one that is too long is cut, at its end or its start, and noted.

    Raises as `check_size` does, for a document too when it must not be cut.
    """
    most = settings.max_document_characters
    long = [one.doc_id for one in documents if len(one.full_text) > most] if truncates else []
    if long:
        documents = [_cut(one, most, keeps_end=keeps_end) for one in documents]
    check_size(settings, query, documents)
    candidates = Ranking.in_order(Query(query), documents)
    if not long:
        return candidates
    note = f"{len(long)} documents have more than {most} characters, and were cut there; the first is {long[0]}"
    return candidates.traced(Step("limits", 0.0, {"documents": len(documents), "cut": len(long)}, {}, (note,)))


def _cut(document: Document, most: int, *, keeps_end: bool) -> Document:
    """Shorten a text until it has at most so many characters with its title; a title as long as that is cut, too."""
    if len(document.full_text) <= most:
        return document
    title = document.title[: max(0, most - 1)]
    room = max(0, most - len(title) - 1) if title else most
    text = document.text[-room:] if keeps_end and room else document.text[:room]
    return replace(document, text=text, title=title)


def check_whole(ranking: Ranking) -> None:
    """Raise RefusedError for a text that was cut, where the client said that none must be."""
    for one in (cut for step in ranking.trace.steps for cut in step.truncations):
        what = "the query" if one.doc_id == QUERY_CUT else f"document {one.doc_id}"
        raise RefusedError(
            Fault.INVALID,
            f"{what} has {one.total} tokens, of which the model reads {one.seen}; shorten it, or let it be truncated",
        )


def check_scored(ranking: Ranking) -> None:
    """Raise RefusedError for an order of documents where scores of pairs are needed."""
    if ranking.score_kind.is_order and any(item.is_scored for item in ranking):
        raise RefusedError(Fault.INVALID, "the model served gives an order of documents only, no scores of pairs")


def served_name(state: State, asked: str, notes: Notes) -> str:
    """Return the model that answers for a name; an unknown one is refused, or answered by the default and noted."""
    name = state.pool.find(asked)
    if name is None:
        if state.settings.unknown_models == "refuse":
            raise RefusedError(
                Fault.NOT_FOUND, f"there is no model {asked!r:.80}; served are: {', '.join(state.pool.names)}"
            )
        name = state.pool.default
        notes.degradations.append(f"model {asked:.80} is not served here: {name} answers")
    notes.model = name
    return name


async def ranked(
    state: State, name: str, ask: Ask, notes: Notes, *, first_stage_weight: float = 0.0, diversity: float = 0.0
) -> Ranking:
    """Ask a served model, and when it fails those that are to be asked then, if there are any.

    `first_stage_weight`, within 0..1, is the share of the candidates' own scores in the order: see `fused`. For
    `diversity`, within 0..1, see `diversified`.
    """
    notes.documents = len(ask.candidates)
    top_k = None if first_stage_weight or diversity else ask.top_k  # what is to be added to must all be there
    ask = replace(ask, in_given_order=bool(first_stage_weight))
    first = _Awaited(state, name, ask, notes)
    if state.fallback:
        others = [(one, _Awaited(state, one, ask, notes)) for one in state.fallback if one != name]
        ranking = await Fallback([(name, first), *others]).arerank(ask.candidates, top_k=top_k)
    else:
        ranking = await first.arerank(ask.candidates, top_k=top_k)
    if first_stage_weight:
        ranking = fused(ranking, weight=first_stage_weight, first_stage=ask.candidates.stage)
    if diversity:
        ranking = await asyncio.to_thread(diversified, ranking, diversity, top_k=ask.top_k)
    return notes.take(ranking.head(ask.top_k))


async def ranked_alone(state: State, name: str, ask: Ask, notes: Notes) -> Ranking:
    """Ask a served model, for which no other stands in: scores of two models have no common scale."""
    ranking = await _Awaited(state, name, ask, notes).arerank(ask.candidates, top_k=ask.top_k)
    return notes.take(ranking)


@dataclass(frozen=True, slots=True)
class _Awaited:
    """A served model as a reranker that a fallback chain can await; once it has answered the notes name it."""

    state: State
    name: str
    ask: Ask
    notes: Notes

    def rerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        raise InputError("a served model can only be awaited")

    async def arerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        ask = replace(self.ask, candidates=candidates, top_k=top_k)
        async with AsyncExitStack() as leased:
            lease = self.state.pool.lease(self.name)
            try:
                served = await within(ask.deadline, leased.enter_async_context(lease))
            except asyncio.TimeoutError:
                if ask.deadline is None or ask.deadline.left_ms > 0:  # one of the model's own
                    raise
                return ask.unscored()
            ranking = await served.rank(ask)
        self.notes.model = self.name
        return ranking
