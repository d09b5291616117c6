"""Reranking and explanations in our own format."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import asdict, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from shortlist.scorers.occlusion import METHOD, parts_of, weighed, without_each
from shortlist.server.asking import candidates_of, check_count, check_scored, check_whole, ranked, served_name
from shortlist.server.bodies import read_as
from shortlist.server.faults import RefusedError
from shortlist.server.models.asked import Ask, Cuts
from shortlist.server.notes import Notes
from shortlist.server.replies import (
    EVENTS,
    budget_of,
    event,
    json_reply,
    notes_of,
    own_limits,
    state_of,
    until_gone,
)
from shortlist.server.state import State
from shortlist.types import Document, Ranking
from shortlist.wire import Fault
from shortlist.wire.own import OwnRequest, decode_request, encode_ranking

_PAUSE_S = 0.05  # between two partial orders of a stream


async def rerank(request: Request) -> Response:
    """Rerank; with `stream` as server-sent events: `partial` orders as they firm up, then `done` or `error`."""
    state, notes = state_of(request), notes_of(request)
    asked = await _asked(request)
    name = served_name(state, asked.model, notes)
    ask = _ask(request, state, notes, asked)
    if asked.is_streamed:
        return await _streamed(request, _events(state, name, ask, asked, notes))
    return json_reply(await until_gone(request, _answer(state, name, ask, asked, notes)))


async def explain(request: Request) -> Response:
    """Say which words of one document carried its score; takes a request of one document."""
    state, notes = state_of(request), notes_of(request)
    asked = await _asked(request)
    if len(asked.documents) != 1:
        raise RefusedError(Fault.INVALID, "$.documents: one document is explained at a time")
    served_name(state, asked.model, notes)
    ask = _ask(request, state, notes, asked)
    notes.take(ask.candidates)
    notes.model, made = await until_gone(request, _explanation(state, ask, ask.candidates.documents[0], notes))
    return json_reply({"model": notes.model, **made})


async def _asked(request: Request) -> OwnRequest:
    asked = await read_as(request, own_limits(request), decode_request)
    check_count(own_limits(request), len(asked.documents))
    return asked


def _ask(request: Request, state: State, notes: Notes, asked: OwnRequest) -> Ask:
    documents = [Document(one.text, str(place), one.title) for place, one in enumerate(asked.documents)]
    limits = own_limits(request)
    return Ask(
        candidates_of(limits, asked.query, documents, truncates=asked.truncate),
        top_k=asked.top_k,
        deadline=budget_of(request, asked.budget_ms, state.clock),
        client=notes.client,
        priority=asked.priority,
        cuts=Cuts(asked.max_document_tokens),
        max_tokens=limits.max_tokens,
    )


async def _answer(state: State, name: str, ask: Ask, asked: OwnRequest, notes: Notes) -> dict[str, Any]:
    ranking = await ranked(state, name, ask, notes)
    if asked.min_score is not None:
        ranking = ranking.at_least(asked.min_score, kind=asked.score_kind, given=ask.candidates.stage)
        notes.degradations += [note for note in ranking.trace.degradations if note not in notes.degradations]
    if not asked.truncate:
        check_whole(ranking)
    made = encode_ranking(ranking, asked.documents, returns_documents=asked.returns_documents)
    for place, item in enumerate(ranking.items[: asked.explain]):
        _, made["results"][place]["explanation"] = await _explanation(state, ask, item.document, notes)
    unknown = [note for note in notes.degradations if note not in made["degradations"]]
    made["degradations"] = [*unknown, *made["degradations"]]
    return {"id": notes.request_id, "model": notes.model, "tokens": notes.tokens, **made}


async def _explanation(state: State, ask: Ask, document: Document, notes: Notes) -> tuple[str, dict[str, Any]]:
    """Return which model explains a document, and what it says; the notes learn what that cost and what is missing."""
    parts = parts_of(document.text)
    candidates = without_each(ask.candidates.query, document, parts)
    again = replace(ask, candidates=candidates, top_k=None, priority=ask.priority + 1, progress=None)
    # the copies' truncations and cache hits are not the answer's
    apart = Notes(notes.request_id, notes.hidden, model=notes.model)
    ranking = await ranked(state, notes.model, again, apart)
    notes.tokens, notes.fallback = notes.tokens + apart.tokens, notes.fallback or apart.fallback
    notes.failed += [why for why in apart.failed if why not in notes.failed]
    check_scored(ranking)
    told = [f"{s.stage}: {note}" for s in ranking.trace.steps if s.stage == "fallback" for note in s.degradations]
    if ranking.is_partial:
        told.append(f"explanation: {ranking.unscored} of {len(ranking)} readings have no score, so parts lack weights")
    notes.degradations += [note for note in told if note not in notes.degradations]
    return apart.model, {"method": METHOD, "parts": [asdict(part) for part in weighed(parts, ranking)]}


async def _streamed(request: Request, events: AsyncGenerator[bytes, None]) -> Response:
    """Answer with events once there is a first one, so that a refusal still has its status and its Retry-After."""

    async def begun() -> bytes:
        return await anext(events)

    try:
        first = await until_gone(request, begun())
    except BaseException:
        await events.aclose()
        raise

    async def content() -> AsyncIterator[bytes]:
        try:
            yield first
            async for one in events:
                yield one
        finally:
            await events.aclose()

    return StreamingResponse(content(), media_type=EVENTS, headers={"X-Accel-Buffering": "no"})


async def _events(state: State, name: str, ask: Ask, asked: OwnRequest, notes: Notes) -> AsyncGenerator[bytes, None]:
    """Partial orders at most every 50 ms, the last one winning; the answer is cancelled when the client leaves.

    What fails becomes the last event outside, where it is logged, too.
    """
    latest: list[Ranking] = []
    doing = asyncio.ensure_future(_answer(state, name, replace(ask, progress=latest.append), asked, notes))
    try:
        while not doing.done():
            await asyncio.wait({doing}, timeout=_PAUSE_S)
            if latest and not doing.done():
                yield event("partial", encode_ranking(latest[-1], asked.documents, returns_documents=False))
                latest.clear()
        yield event("done", doing.result())
    finally:
        doing.cancel()
        await asyncio.gather(doing, return_exceptions=True)
