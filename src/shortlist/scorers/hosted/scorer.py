"""A scorer that asks a server for one score a document."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from shortlist.errors import InputError, RemoteResponseError, WireError
from shortlist.scorers.hosted.batches import batches, estimated_tokens, sendable
from shortlist.scorers.hosted.calls import SPARE_CALLS, Calls
from shortlist.scorers.hosted.prices import Price
from shortlist.transport import Bridge, Client
from shortlist.types import Document, Query, ScoreKind, Scores, Step, monotonic_ms
from shortlist.wire import Dialect, Limits, RerankRequest, RerankResponse, Usage, WireDocument

_LEAST = {ScoreKind.CALIBRATED_PROBABILITY: 0.0, ScoreKind.UNCALIBRATED_SIGMOID: 0.0, ScoreKind.SIMILARITY: -1.0}
_BELOW_ALL = -10_000.0  # of scores without a least one, and of those that go below what their kind should


@dataclass(frozen=True, slots=True)
class Asking:
    """How a server is asked.

    `template` is the request without query and documents. `limits` are of one call,
    `concurrency` calls run side by side. `is_listwise`: a document's score depends on the
    others of its call, so that calls cannot be merged.
    """

    template: RerankRequest
    limits: Limits
    concurrency: int = 4
    is_listwise: bool = False
    score_kind: ScoreKind | None = None


@dataclass(slots=True)
class _Sent:
    """What one scoring sent and got."""

    calls: Calls
    query: str
    texts: dict[int, str]
    attempts: int = 0
    cut: list[str] = field(default_factory=list)


class Hosted:
    """Scores by a server that speaks one of the dialects. Safe to use from several threads and event loops.

    All documents are asked for, and only `Ranking` orders them. What has no text is not
    sent and gets the floor (0 of a probability, -1 of a cosine, -10,000 of a logit), and so does a
    document that the server refuses while it takes others: one bad document never fails
    a request, but for a listwise model. Both are in the step's degradations.
    """

    def __init__(self, client: Client, dialect: Dialect, asking: Asking, *, price: Price | None = None) -> None:
        self._client = client
        self._dialect = dialect
        self._asking = asking
        self._price = price
        self._bridge = Bridge(client.close)
        raw = asking.template.raw_scores
        self._kind = asking.score_kind or (raw and dialect.raw_score_kind) or dialect.score_kind
        read = f"{asking.template.max_document_tokens}:{asking.limits.document_characters}"
        self.fingerprint = f"{dialect.name}:{client.base_url}:{asking.template.model}:{self._kind.value}:{read}"

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        """Return one score a document, `[documents]` in input order.

        Raises RemoteError when the server gives no scores, InputError when a listwise model
        is asked for more documents than one call takes.
        """
        return self._bridge.wait(self._scored(query, documents)) if documents else self._none()

    async def ascore(self, query: Query, documents: Sequence[Document]) -> Scores:
        """Return what `score` returns, without blocking the event loop (asyncio)."""
        return await self._bridge.run(self._scored(query, documents)) if documents else self._none()

    def close(self) -> None:
        """Close the connections; the next use opens new ones."""
        self._bridge.close()

    def _none(self) -> Scores:
        return Scores(np.empty(0, dtype=np.float32), self._kind, Step(self._dialect.name, counts={"documents": 0}))

    async def _scored(self, query: Query, documents: Sequence[Document]) -> Scores:
        began = monotonic_ms()
        limits = self._asking.limits
        asked = sendable(query.text, Limits())
        whole = {place: d.full_text for place, d in enumerate(documents) if _is_visible(d.full_text)}
        texts = {place: sendable(text, limits) for place, text in whole.items()}
        parts = list(batches(asked, texts, limits))
        if self._asking.is_listwise and len(parts) > 1:
            raise InputError(
                f"{self._asking.template.model} reads all documents of a call together, and a call takes"
                f" {limits.documents}: the scores of several calls cannot be compared; rerank fewer than {len(texts)}"
            )
        deadline = self._client.deadline()

        async def ask(places: Sequence[int]) -> RerankResponse:
            return await self._ask(asked, [texts[place] for place in places], sent, deadline)

        spare = 0 if self._asking.is_listwise else SPARE_CALLS
        sent = _Sent(Calls(ask, texts, self._asking.concurrency, spare), asked, texts)
        sent.cut = [documents[place].doc_id for place in texts if len(texts[place]) < len(whole[place])]
        await sent.calls.run(parts)
        floor = _floor(self._kind, sent.calls.scores.values())
        values = [sent.calls.scores.get(place, floor) for place in range(len(documents))]
        return Scores(np.asarray(values, dtype=np.float32), self._kind, self._step(began, documents, sent, floor))

    async def _ask(self, query: str, texts: Sequence[str], sent: _Sent, deadline: float) -> RerankResponse:
        documents = tuple(map(WireDocument, texts))
        request = replace(self._asking.template, query=query, documents=documents)
        path = self._dialect.paths[0]
        answer = await self._client.post(path, self._dialect.encode_request(request), deadline=deadline)
        sent.attempts += answer.attempts
        try:
            return self._dialect.decode_response(answer.body, request)
        except WireError as error:
            raise RemoteResponseError(
                f"{self._client.base_url}{path} did not answer in the format of {self._dialect.name}: {error}"
            ) from error

    def _step(self, began: float, documents: Sequence[Document], sent: _Sent, floor: float) -> Step:
        usage = _total([response.usage for response in sent.calls.responses])
        counts = {"documents": len(documents), "calls": len(sent.calls.responses), "attempts": sent.attempts}
        billed = {"total_tokens": usage.total_tokens, "search_units": usage.search_units}
        models = sorted({response.model for response in sent.calls.responses} - {""})
        facts = {
            "model": self.fingerprint,
            "answered_by": ", ".join(models),
            "cost": self._price.cost(usage) if self._price is not None else "",
        }
        return Step(
            self._dialect.name,
            monotonic_ms() - began,
            counts | {name: count for name, count in billed.items() if count is not None},
            {name: text for name, text in facts.items() if text},
            tuple(self._notes(documents, sent, floor)),
        )

    def _notes(self, documents: Sequence[Document], sent: _Sent, floor: float) -> list[str]:
        calls = sent.calls
        notes = [f"the server warns: {text}" for response in calls.responses for text in response.warnings]
        if empty := len(documents) - len(sent.texts):
            notes.append(f"{empty} documents are empty: not sent, scored {floor:g}")
        if sent.cut:
            limit = self._asking.limits.document_characters
            notes.append(f"{len(sent.cut)} documents cut at {limit} characters, the first is {sent.cut[0]}")
        read = self._asking.limits.query_tokens
        if read and estimated_tokens(sent.query) > read:
            notes.append(f"the query may have been cut by the server, which reads {read} tokens of it (estimated)")
        room = self._asking.template.max_document_tokens or self._asking.limits.pair_tokens
        if room and (long := sum(estimated_tokens(text) > room for text in sent.texts.values())):
            notes.append(f"{long} documents may have been cut by the server, which reads {room} tokens (estimated)")
        for place, error in sorted(calls.refused.items())[:3]:
            notes.append(f"document {documents[place].doc_id} was refused, scored {floor:g}: {error}")
        if len(calls.refused) > 3:
            notes.append(f"{len(calls.refused)} documents were refused in all")
        if self._asking.is_listwise:
            notes.append("listwise: a document's score depends on the others it was sent with")
        return notes


def _is_visible(text: str) -> bool:
    """Whether a text is more than spaces and signs without a shape, of which servers make nothing."""
    return any(unicodedata.category(letter)[0] not in "CZ" for letter in text)


def _floor(kind: ScoreKind, scores: Collection[float]) -> float:
    least = _LEAST.get(kind, _BELOW_ALL)
    return least if min(scores, default=least) >= least else _BELOW_ALL


def _total(usages: Sequence[Usage]) -> Usage:
    tokens = [usage.total_tokens for usage in usages if usage.total_tokens is not None]
    units = [usage.search_units for usage in usages if usage.search_units is not None]
    return Usage(sum(tokens) if tokens else None, sum(units) if units else None)
