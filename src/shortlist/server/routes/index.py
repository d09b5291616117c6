"""Searching the server's index, and changing it where that is allowed."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from shortlist.errors import InputError
from shortlist.pipeline import diversified
from shortlist.server.asking import check_count, check_size, ranked, served_name
from shortlist.server.bodies import read_as, read_json
from shortlist.server.faults import RefusedError
from shortlist.server.models.asked import Ask
from shortlist.server.replies import budget_of, json_reply, notes_of, own_limits, state_of, until_gone
from shortlist.server.searching import Desk
from shortlist.types import Document, Query, ScoredDocument
from shortlist.wire import Fault
from shortlist.wire.own import encode_results, number_or_none, read_documents, read_id
from shortlist.wire.reading import At, text_or, truth_or_none, whole_or_none

_KNOWN = (
    "query",
    "top_k",
    "depth",
    "model",
    "rerank",
    "where",
    "first_stage",
    "first_stage_weight",
    "diversity",
    "budget_ms",
)


async def search(request: Request) -> Response:
    """Find candidates in the index, rerank them, and return the best few with where they stood before."""
    state, notes = state_of(request), notes_of(request)
    desk = _desk(request)
    limits = own_limits(request)
    at = At(await read_json(request, limits)).only(_KNOWN)
    query = Query(at["query"].text())
    check_size(limits, query.text, [])
    top_k = whole_or_none(at.get("top_k"), least=1) or min(desk.settings.top_k, limits.max_documents)
    usual = min(desk.settings.depth, limits.max_documents)  # nobody is refused for what he did not ask for
    depth = max(top_k, whole_or_none(at.get("depth"), least=1) or usual)
    if depth > limits.max_documents:
        raise InputError(f"$.depth: at most {limits.max_documents}, got {depth}")
    where, weight = at.get("where"), _share(at.get("first_stage_weight"), desk.settings.first_stage_weight)
    diversity = _share(at.get("diversity"), desk.settings.diversity)
    deadline = budget_of(request, number_or_none(at.get("budget_ms")), state.clock)
    retrieve = partial(
        desk.retrieve,
        query,
        depth=depth,
        where=None if where is None else where.value,
        first_stage=text_or(at.get("first_stage"), "hybrid"),
    )
    candidates = await until_gone(request, desk.searches.do(retrieve, deadline=deadline))
    if truth_or_none(at.get("rerank")) is not False and len(candidates):
        name = served_name(state, text_or(at.get("model")), notes)
        ask = Ask(candidates, top_k, deadline, notes.client, max_tokens=limits.max_tokens)
        work = ranked(state, name, ask, notes, first_stage_weight=weight, diversity=diversity)
        ranking = await until_gone(request, work)
    else:
        ranking = await asyncio.to_thread(diversified, candidates, diversity, top_k=top_k)
        notes.take(ranking)
    about = {"id": notes.request_id, "model": notes.model, "tokens": notes.tokens}
    return json_reply(about | encode_results(ranking, _shown))


async def index(request: Request) -> Response:
    """Say what the index holds, add to it, or remove from it."""
    return await _BY_METHOD.get(request.method, about)(request)


async def about(request: Request) -> Response:
    """Say what the index holds; null when there is none."""
    desk = state_of(request).desk
    if desk is None:
        return json_reply({"documents": None, "encoder": None, "writable": False})
    count = await asyncio.to_thread(desk.count)
    return json_reply({"documents": count, "encoder": desk.encoder.fingerprint, "writable": desk.is_writable})


async def add(request: Request) -> Response:
    """Add documents in one commit; one of the same id is replaced."""
    desk, limits = _writable(request), own_limits(request)
    found = await read_as(request, limits, lambda body: read_documents(At(body).only(("documents",))["documents"]))
    check_count(limits, len(found))
    documents = [Document(one.text, one.doc_id, one.title, one.metadata or {}) for one in found]
    check_size(limits, "", documents)
    await desk.writes.do(partial(desk.add, documents))
    return json_reply({"added": len(documents), "documents": await asyncio.to_thread(desk.count)})


async def remove(request: Request) -> Response:
    """Remove documents by id in one commit; an id that is not there does not matter."""
    desk = _writable(request)
    ids = [read_id(item) for item in At(await read_json(request, own_limits(request))).only(("ids",))["ids"].items()]
    await desk.writes.do(partial(desk.remove, ids))
    return json_reply({"documents": await asyncio.to_thread(desk.count)})


_BY_METHOD = {"POST": add, "DELETE": remove}


def _share(at: At | None, usual: float) -> float:
    """Return a number within 0..1: a request's own, or else the settings'."""
    if at is None:
        return usual
    if not 0 <= at.number() <= 1:
        raise at.wrong("a number within 0..1")
    return at.number()


def _desk(request: Request) -> Desk:
    desk = state_of(request).desk
    if desk is None:
        raise RefusedError(Fault.NOT_FOUND, "this server has no index; start it with --index FOLDER")
    return desk


def _writable(request: Request) -> Desk:
    desk = _desk(request)
    if not desk.is_writable:
        raise RefusedError(Fault.NOT_FOUND, "this server's index is read only; start it with --writable-index")
    return desk


def _shown(item: ScoredDocument) -> dict[str, Any]:
    document = item.document
    return {
        "id": item.doc_id,
        "before": {standing.stage: standing.rank for standing in item.history},
        "metadata": dict(document.metadata),
        "document": {"title": document.title, "text": document.text},
        "place": None if document.place is None else asdict(document.place),
    }
