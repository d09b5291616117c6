"""Reranking in the dialects of others."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from shortlist.server.asking import candidates_of, check_count, check_whole, ranked, served_name
from shortlist.server.bodies import check_body, made_of, parsed, read_body
from shortlist.server.models.asked import Ask, Cuts
from shortlist.server.notes import Notes
from shortlist.server.published import shown_scores
from shortlist.server.replies import budget_of, json_reply, notes_of, state_of, tei_headers, until_gone
from shortlist.server.settings import ServeSettings
from shortlist.server.telling_apart import dialect_of, possible
from shortlist.types import Document, Ranking
from shortlist.wire import Dialect, RerankRequest, RerankResponse, RerankResult, Usage

_UNIT = 100  # documents of one query that Cohere bills together


async def rerank(request: Request) -> Response:
    """Answer a rerank request in the dialect that it came in."""
    state, notes = state_of(request), notes_of(request)
    path = request.url.path
    widest = max(map(state.settings.of, possible(path)), key=lambda settings: settings.max_body_bytes)
    content = await read_body(request, widest)
    dialect, asked = await made_of(content, partial(_decoded, state.settings, path, notes))
    limits = state.settings.of(dialect.name)
    documents = [Document(one.text, str(place)) for place, one in enumerate(asked.documents)]
    cuts = Cuts(asked.max_document_tokens, asked.max_pair_tokens, asked.truncation_side == "left")
    candidates = candidates_of(
        limits, asked.query, documents, truncates=asked.truncate is not False, keeps_end=cuts.keeps_end
    )
    name = served_name(state, asked.model, notes)
    ask = Ask(
        candidates,
        top_k=asked.top_k if dialect.name != "vllm-score" else None,
        deadline=budget_of(request, None, state.clock),
        client=notes.client,
        priority=asked.priority or 0,
        cuts=cuts,
        max_tokens=limits.max_tokens,
    )
    ranking = await until_gone(request, ranked(state, name, ask, notes))
    if asked.truncate is False:
        check_whole(ranking)
    response = _response(dialect, asked, ranking, notes)
    return json_reply(dialect.encode_response(response), headers=_headers(dialect, ranking, asked))


def _decoded(settings: ServeSettings, path: str, notes: Notes, content: bytes) -> tuple[Dialect, RerankRequest]:
    """Read a request in its dialect, which the notes learn; raises TooLargeError by that dialect's limits."""
    body = parsed(content)
    dialect = dialect_of(path, body)
    notes.dialect = dialect.name
    limits = settings.of(dialect.name)
    check_body(len(content), limits.max_body_bytes)
    asked = dialect.decode_request(body)
    check_count(limits, len(asked.documents))
    return dialect, asked


def _response(dialect: Dialect, asked: RerankRequest, ranking: Ranking, notes: Notes) -> RerankResponse:
    scores = shown_scores(ranking, is_raw=bool(asked.raw_scores) and dialect.raw_score_kind is not None)
    returns = dialect.returns_documents if asked.return_documents is None else asked.return_documents
    results = [
        RerankResult(int(item.doc_id), score, asked.documents[int(item.doc_id)] if returns else None)
        for item, score in zip(ranking, scores, strict=True)
    ]
    if dialect.name == "vllm-score":  # its clients count on the order they sent
        results.sort(key=lambda result: result.index)
    units = -(-len(asked.documents) // _UNIT)
    return RerankResponse(
        tuple(results),
        model=notes.model,
        response_id=f"rerank-{notes.request_id}",
        created=int(time.time()),
        usage=Usage(notes.tokens, units),
        warnings=tuple(notes.degradations),
    )


def _headers(dialect: Dialect, ranking: Ranking, asked: RerankRequest) -> Mapping[str, str]:
    """TEI's own headers; nothing for the others."""
    if dialect.name != "tei":
        return {}
    steps, characters = ranking.trace.steps, sum(len(document.text) for document in asked.documents)
    return tei_headers(steps, characters=characters, tokens=sum(step.tokens for step in steps))
