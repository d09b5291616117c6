"""Pairs of any queries, scored as text-embeddings-inference's /predict does."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from shortlist.server.asking import (
    candidates_of,
    check_count,
    check_scored,
    check_size,
    check_whole,
    ranked_alone,
    served_name,
)
from shortlist.server.bodies import read_as
from shortlist.server.models.asked import Ask, Cuts
from shortlist.server.published import shown_scores
from shortlist.server.replies import budget_of, json_reply, notes_of, state_of, tei_headers, until_gone
from shortlist.server.settings import ServeSettings
from shortlist.types import Document, Ranking, Step, Trace
from shortlist.wire.tei_predict import PredictRequest, decode_request, encode_response

_AT_ONCE = 32  # queries of one request: enough for full batches, and few of the places that others may wait in


async def predict(request: Request) -> Response:
    """Score each pair by the default model alone; those of one query are asked for together.

    The request is let in as a whole, and a few queries are asked for at a time.
    """
    state, notes = state_of(request), notes_of(request)
    notes.dialect = "tei"
    limits = state.settings.of(notes.dialect)
    asked = await read_as(request, limits, decode_request)
    check_count(limits, len(asked.pairs))
    many = _by_query(limits, asked)
    name = served_name(state, "", notes)
    deadline = budget_of(request, None, state.clock)
    cuts = Cuts(keeps_end=asked.truncation_side == "left")
    notes.documents = len(asked.pairs)
    asks = [
        Ask(one, None, deadline, notes.client, cuts=cuts, max_tokens=limits.max_tokens, is_let_in=place > 0)
        for place, one in enumerate(many)
    ]
    told = list(notes.degradations)
    rankings = await until_gone(request, _all_of([ranked_alone(state, name, ask, notes) for ask in asks]))
    slowest = max(rankings, key=lambda ranking: ranking.trace.latency_ms)  # they ran beside each other
    notes.stages = {step.stage: step.latency_ms for step in slowest.trace.steps}
    notes.unscored = sum(ranking.unscored for ranking in rankings)
    notes.degradations = [*told, *_joined(rankings).degradations]
    if asked.truncate is False:
        for ranking in rankings:
            check_whole(ranking)
    scores = _scores(rankings, is_raw=asked.raw_scores)
    characters = sum(len(text) for pair in asked.pairs for text in pair)
    headers = tei_headers(slowest.trace.steps, characters=characters, tokens=notes.tokens)
    return json_reply(encode_response(scores, asked), headers=headers)


def _by_query(limits: ServeSettings, asked: PredictRequest) -> list[Ranking]:
    """Return each query's documents as candidates, named by their place among all; raises as `candidates_of` does."""
    documents: dict[str, list[Document]] = {}
    for place, (query, text) in enumerate(asked.pairs):
        documents.setdefault(query, []).append(Document(text, str(place)))
    truncates, keeps_end = asked.truncate is not False, asked.truncation_side == "left"
    many = [
        candidates_of(limits, query, some, truncates=truncates, keeps_end=keeps_end)
        for query, some in documents.items()
    ]
    check_size(limits, "", [document for one in many for document in one.documents])
    return many


async def _all_of(works: Sequence[Coroutine[Any, Any, Ranking]]) -> list[Ranking]:
    """Await all, some at a time; when one fails the others are not scored any more."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def in_turn(work: Coroutine[Any, Any, Ranking]) -> Ranking:
        async with turns:
            return await work

    doing = [asyncio.ensure_future(in_turn(work)) for work in works]
    try:
        return await asyncio.gather(*doing)
    finally:
        for one in doing:
            one.cancel()


def _joined(rankings: Sequence[Ranking]) -> Trace:
    """Return one step for each stage of all queries."""
    stages: dict[str, list[Step]] = {}
    for step in (step for ranking in rankings for step in ranking.trace.steps):
        stages.setdefault(step.stage, []).append(step)
    return Trace(tuple(map(Step.joined, stages.values())))


def _scores(rankings: Sequence[Ranking], *, is_raw: bool) -> list[float]:
    """Return one score a pair, in the order in which the pairs came; a place in an order is none."""
    for ranking in rankings:
        check_scored(ranking)
    found = {
        int(item.doc_id): score
        for ranking in rankings
        for item, score in zip(ranking, shown_scores(ranking, is_raw=is_raw), strict=True)
    }
    return [found[place] for place in range(len(found))]
