"""Hosted scorers against a server of each dialect on a real socket, with faults."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("httpx2")

from shortlist import Document, Query, Reranker
from shortlist.errors import (
    AuthenticationError,
    InputError,
    RateLimitedError,
    RemoteError,
    RemoteRequestError,
    RemoteResponseError,
    RemoteUnavailableError,
)
from shortlist.protocols import AsyncScorer
from shortlist.scorers.hosted.providers import PROVIDERS, load_hosted
from shortlist.scorers.hosted.scorer import Hosted
from shortlist.scorers.pointwise import Pointwise
from shortlist.testing import Reply, RerankServer
from shortlist.testing.serving import word_overlap
from shortlist.types import Ranking, ScoreKind
from shortlist.wire import DIALECTS

KINDS = sorted(PROVIDERS)
ONE = "tei"  # for what the client does, whatever the dialect
QUERY = Query("tall iron tower")
DOCUMENTS = [
    Document("nothing", "none"),
    Document("a tall iron tower", "all"),
    Document("", "empty"),
    Document("iron", "one"),
    Document("a tall iron tower", "all again"),
    Document("iron tower", "two"),
]
ORDER = ("all", "all again", "two", "one")
KEY = "sk-very-secret-7319"


def made(kind: str, server: RerankServer, **options: Any) -> Hosted:
    """A scorer of a kind that asks the server, quickly losing patience."""
    options = {"api_key": KEY, "attempt_budget_ms": 5_000, "retries": 0, **options}
    if PROVIDERS[kind].base_url:
        return load_hosted(kind, options.pop("model", "m1"), base_url=server.url, **options)
    return load_hosted(kind, server.url, **options)


@pytest.fixture
def server_of() -> Iterator[Callable[..., RerankServer]]:
    servers: list[RerankServer] = []

    def start(kind: str, **options: Any) -> RerankServer:
        servers.append(RerankServer(DIALECTS[PROVIDERS[kind].dialect], **options).__enter__())
        return servers[-1]

    yield start
    for server in servers:
        server.__exit__(None, None, None)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


ServerOf = Callable[..., RerankServer]


def test_every_kind_scores_in_input_order_whatever_the_order_of_the_answer(kind: str, server_of: ServerOf) -> None:
    server = server_of(kind, key=KEY)
    scorer = made(kind, server)
    scores = scorer.score(QUERY, DOCUMENTS)
    assert [DOCUMENTS[i].doc_id for i in sorted(range(6), key=lambda i: -scores.values[i])][:4] == list(ORDER)
    assert scores.values[1] == scores.values[4]
    assert scores.step.counts["documents"] == 6
    assert scores.step.counts["calls"] == scores.step.counts["attempts"] == 1
    assert "1 documents are empty: not sent" in scores.step.degradations[0]
    assert len(next(v for k, v in server.requests[0].items() if k in {"documents", "input", "texts", "text_2"})) == 5
    assert KEY in str(server.headers[0])
    scorer.close()


def test_an_awaited_score_is_the_score_and_many_run_side_by_side(kind: str, server_of: ServerOf) -> None:
    scorer = made(kind, server_of(kind))
    assert isinstance(scorer, AsyncScorer)

    async def several() -> list[Any]:
        return await asyncio.gather(*(scorer.ascore(QUERY, DOCUMENTS) for _ in range(5)))

    expected = scorer.score(QUERY, DOCUMENTS).values
    assert all((scores.values == expected).all() for scores in asyncio.run(several()))
    scorer.close()


def test_score_kinds_are_stated() -> None:
    kinds = {
        "cohere": ScoreKind.UNCALIBRATED_SIGMOID,
        "voyage": ScoreKind.UNCALIBRATED_SIGMOID,
        "jina": ScoreKind.UNCALIBRATED_SIGMOID,
        "pinecone": ScoreKind.UNCALIBRATED_SIGMOID,
        "isaacus": ScoreKind.UNCALIBRATED_SIGMOID,
        "cohere-v1": ScoreKind.UNCALIBRATED_SIGMOID,
        "vllm": ScoreKind.UNCALIBRATED_SIGMOID,
        "vllm-score": ScoreKind.UNCALIBRATED_SIGMOID,
        "tei": ScoreKind.LOGIT,
        "infinity": ScoreKind.LOGIT,
        "llamacpp": ScoreKind.UNKNOWN,
        "mixedbread": ScoreKind.UNKNOWN,
    }
    assert set(kinds) == set(PROVIDERS)
    for kind, expected in kinds.items():
        name = "m" if PROVIDERS[kind].base_url else "http://localhost:1"
        assert load_hosted(kind, name, api_key="k").score(QUERY, []).kind is expected
    assert load_hosted("vllm", "http://localhost:1", raw_scores=True).score(QUERY, []).kind is ScoreKind.LOGIT
    stated = load_hosted("llamacpp", "http://localhost:1", score_kind="logit")
    assert stated.score(QUERY, []).kind is ScoreKind.LOGIT


def results_of(body: Any) -> list[dict[str, Any]]:
    return body if isinstance(body, list) else body.get("results", body.get("data"))


def changed(change: Callable[[list[dict[str, Any]]], object]) -> Callable[[Any], Any]:
    def apply(body: Any) -> Any:
        change(results_of(body))
        return body

    return apply


def set_score(value: Any) -> Callable[[list[dict[str, Any]]], None]:
    def apply(results: list[dict[str, Any]]) -> None:
        name = next(name for name in ("relevance_score", "score") if name in results[0])
        results[0][name] = value

    return apply


WRONG_ANSWERS = {
    "nan": (changed(set_score(float("nan"))), r"score: expected a finite number"),
    "text for a score": (changed(set_score("0.5")), r"score: expected a number, got '0.5'"),
    "null for a score": (changed(set_score(None)), r"score: expected a number"),
    "fewer results": (changed(lambda r: r.pop()), r"expected 5 results for 5 documents, got 4"),
    "an index twice": (changed(lambda r: r[1].update(index=r[0]["index"])), r"\[1\].index: expected an index that was"),
    "an index out of range": (changed(lambda r: r[0].update(index=5)), r"\[0\].index: expected an index below 5"),
    "a negative index": (changed(lambda r: r[0].update(index=-1)), r"\[0\].index: expected a whole number from 0"),
    "no index": (changed(lambda r: r[0].pop("index")), r"\[0\].index: missing"),
    "another shape": (lambda body: "hello", r"\$"),
}


@pytest.mark.parametrize("fault", WRONG_ANSWERS)
def test_a_wrong_answer_is_an_error_that_names_the_place(kind: str, fault: str, server_of: ServerOf) -> None:
    change, message = WRONG_ANSWERS[fault]
    server = server_of(kind)
    server.replies.append(Reply(change=change))
    scorer = made(kind, server, retries=3)
    with pytest.raises(RemoteResponseError, match=message):
        scorer.score(QUERY, DOCUMENTS)
    assert len(server.requests) == 1  # it would only be wrong again
    scorer.close()


@pytest.mark.parametrize("body", [b"", b"<html>busy</html>", b"{", b"[" * 100_000, b"\xff\xfe"])
def test_an_answer_that_is_no_json_is_an_error_that_shows_its_beginning(body: bytes, server_of: ServerOf) -> None:
    server = server_of(ONE)
    server.replies.append(Reply(body=body))
    scorer = made(ONE, server)
    with pytest.raises(RemoteResponseError, match="no JSON"):
        scorer.score(QUERY, DOCUMENTS)
    scorer.close()


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, RemoteRequestError),
        (401, AuthenticationError),
        (402, AuthenticationError),
        (403, AuthenticationError),
        (404, RemoteRequestError),
        (422, RemoteRequestError),
        (302, RemoteRequestError),
        (429, RateLimitedError),
        (424, RemoteUnavailableError),
        (500, RemoteUnavailableError),
        (503, RemoteUnavailableError),
    ],
)
def test_statuses_are_told_apart_and_the_reason_is_passed_on(
    status: int, error: type[RemoteError], server_of: ServerOf
) -> None:
    server = server_of(ONE)
    server.replies += [Reply(status, change=lambda body: {"message": "the server's own reason"})] * 9
    scorer = made(ONE, server)
    with pytest.raises(error, match=f"answered {status}.*the server's own reason"):
        scorer.score(QUERY, DOCUMENTS)
    scorer.close()


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "0"}, {"Retry-After": "Mon, 01 Jan 2024 00:00:00 GMT"}])
def test_a_busy_server_is_asked_again(headers: dict[str, str], server_of: ServerOf) -> None:
    server = server_of(ONE)
    server.replies += [Reply(429, b"{}", headers), Reply(503, b""), Reply(is_cut=True), Reply(500, b"null")]
    scorer = made(ONE, server, retries=4, first_pause_ms=1)
    scores = scorer.score(QUERY, DOCUMENTS)
    assert scores.step.counts["attempts"] == 5
    assert scores.values[1] == scores.values.max() > scores.values[3] > scores.values[0]
    scorer.close()


def test_a_pause_beyond_the_budget_is_not_waited_for(server_of: ServerOf) -> None:
    server = server_of(ONE)
    server.replies.append(Reply(429, b'{"message": "slow down"}', {"Retry-After": "3600"}))
    scorer = made(ONE, server, retries=5)
    with pytest.raises(RateLimitedError, match=r"slow down \(attempt 1; it asks to wait 3600 s; the budget has no"):
        scorer.score(QUERY, DOCUMENTS)
    scorer.close()


def test_a_slow_server_is_left_when_the_budget_is_spent(server_of: ServerOf) -> None:
    server = server_of(ONE)
    server.replies += [Reply(holds=threading.Event())] * 9
    scorer = made(ONE, server, retries=9, budget_ms=150, attempt_budget_ms=100)
    with pytest.raises(RemoteUnavailableError, match="did not answer within"):
        scorer.score(QUERY, DOCUMENTS)
    scorer.close()


def test_a_server_that_stops_within_its_answer_is_left_too(server_of: ServerOf) -> None:
    server = server_of(ONE)
    server.replies.append(Reply(stalls=threading.Event()))
    scorer = made(ONE, server, attempt_budget_ms=100)
    with pytest.raises(RemoteUnavailableError, match="did not answer within 100 ms"):
        scorer.score(QUERY, DOCUMENTS)
    assert scorer.score(QUERY, DOCUMENTS).values[1] > 0  # the half-read connection is not used again
    scorer.close()


def test_a_cut_connection_and_a_closed_port_are_unavailability(server_of: ServerOf) -> None:
    server = server_of(ONE)
    server.replies.append(Reply(is_cut=True))
    scorer = made(ONE, server)
    with pytest.raises(RemoteUnavailableError, match="cannot be reached or cut off"):
        scorer.score(QUERY, DOCUMENTS)
    server.__exit__(None, None, None)
    with pytest.raises(RemoteUnavailableError, match="cannot be reached or cut off"):
        scorer.score(QUERY, DOCUMENTS)
    scorer.close()


def test_one_bad_document_never_fails_a_request(kind: str, server_of: ServerOf) -> None:
    server = server_of(kind, refuses=lambda text: "too long" in text)
    documents = [Document(f"iron {i}", str(i)) for i in range(20)]
    documents[7] = Document("iron too long", "bad")
    documents[13] = Document("iron too long as well", "worse")
    scorer = made(kind, server)
    scores = scorer.score(QUERY, documents)
    assert sorted(scores.values.tolist())[:2] == [scores.values[7], scores.values[13]]
    assert len(set(scores.values.tolist())) == 2
    assert [note.split(",")[0] for note in scores.step.degradations] == [
        "document bad was refused",
        "document worse was refused",
    ]
    scorer.close()


@pytest.mark.parametrize("others", [1, 2, 19])
def test_the_bad_document_may_be_the_shortest(others: int, server_of: ServerOf) -> None:
    server = server_of("cohere", refuses=lambda text: text == "!")
    scorer = made("cohere", server)
    scores = scorer.score(QUERY, [*(Document(f"iron {i}", str(i)) for i in range(others)), Document("!", "bad")])
    assert scores.values.argmin() == others
    (note,) = scores.step.degradations
    assert note.startswith("document bad was refused")
    assert all(request["documents"] for request in server.requests)
    scorer.close()


@pytest.mark.parametrize("others", [2, 10])
def test_the_bad_documents_may_be_the_shortest_ones(others: int, server_of: ServerOf) -> None:
    server = server_of("cohere", refuses=lambda text: len(text) == 1)
    scorer = made("cohere", server)
    documents = [Document("!", "bad"), Document("?", "worse"), *(Document(f"iron {i}", str(i)) for i in range(others))]
    scores = scorer.score(QUERY, documents)
    assert set(np.argsort(scores.values, kind="stable")[:2].tolist()) == {0, 1}
    assert [note.split(",")[0] for note in scores.step.degradations] == [
        "document bad was refused",
        "document worse was refused",
    ]
    scorer.close()


@pytest.mark.parametrize(
    ("kind", "floor"), [("uncalibrated sigmoid", -10_000), ("similarity", -1), ("log likelihood", -10_000)]
)
def test_what_was_not_scored_stands_below_scores_of_every_kind(kind: str, floor: float, server_of: ServerOf) -> None:
    server = server_of(
        "vllm", refuses=lambda text: text == "bad", relevance=lambda query, text: word_overlap(query, text) - 0.9
    )
    scorer = made("vllm", server, score_kind=kind)
    scores = scorer.score(QUERY, [*DOCUMENTS[:2], Document("bad"), Document(" \u200b\n")])
    assert scores.values[-2:].tolist() == [floor, floor]
    assert floor < scores.values[:2].min() < 0
    assert "1 documents are empty: not sent" in scores.step.degradations[0]
    scorer.close()


def test_a_request_that_is_refused_whatever_is_in_it_fails_after_two_more_calls(server_of: ServerOf) -> None:
    server = server_of("cohere", refuses=lambda text: True)
    scorer = made("cohere", server)
    with pytest.raises(RemoteRequestError, match="a document is too long"):
        scorer.score(QUERY, [Document(f"iron {i}") for i in range(100)])
    assert len(server.requests) == 3
    scorer.close()


def test_many_bad_documents_do_not_make_endless_calls(server_of: ServerOf) -> None:
    server = server_of("cohere", refuses=lambda text: int(text) % 2 == 1)
    scorer = made("cohere", server)
    with pytest.raises(RemoteRequestError):
        scorer.score(QUERY, [Document(str(i)) for i in range(500)])
    assert len(server.requests) <= 42
    scorer.close()


def test_documents_that_are_too_long_are_found_in_few_calls_wherever_they_stand(server_of: ServerOf) -> None:
    server = server_of("cohere", refuses=lambda text: "too long" in text)
    documents = [Document("iron" + " too long" * (i % 10 == 5), str(i)) for i in range(100)]
    scorer = made("cohere", server)
    scores = scorer.score(QUERY, documents)
    assert np.flatnonzero(scores.values == scores.values.min()).tolist() == list(range(5, 100, 10))
    scorer.close()


def test_a_document_too_long_for_llamacpp_is_told_from_a_failing_server(server_of: ServerOf) -> None:
    server = server_of("llamacpp")
    reason = "input is too large to process. increase the physical batch size"
    server.replies.append(Reply(500, change=lambda body: {"error": {"code": 500, "message": reason}}))
    scorer = made("llamacpp", server)
    assert scorer.score(QUERY, DOCUMENTS).step.counts["calls"] == 3  # the shortest, then two halves
    scorer.close()


def test_calls_are_split_at_the_limit_and_merged(kind: str, server_of: ServerOf) -> None:
    server = server_of(kind)
    documents = [Document("iron" if i % 7 else "tall iron tower", str(i)) for i in range(100)]
    scorer = made(kind, server, documents_per_call=32)
    scores = scorer.score(QUERY, documents)
    assert scores.step.counts["calls"] == len(server.requests) == 4
    best = {i for i in range(100) if scores.values[i] == scores.values.max()}
    assert best == {i for i in range(100) if i % 7 == 0}
    scorer.close()


def test_tei_gets_as_many_texts_as_it_takes_by_default(server_of: ServerOf) -> None:
    server = server_of("tei")
    scorer = made("tei", server)
    assert scorer.score(QUERY, [Document("iron")] * 50).step.counts["calls"] == 2
    assert sorted(len(body["texts"]) for body in server.requests) == [18, 32]
    assert server.requests[0]["truncate"] is True
    scorer.close()


def test_a_listwise_model_is_flagged_and_never_split(server_of: ServerOf) -> None:
    server = server_of("jina")
    scorer = made("jina", server, model="jina-reranker-v3")
    assert "listwise" in scorer.score(QUERY, DOCUMENTS).step.degradations[-1]
    with pytest.raises(InputError, match="takes 64: the scores of several calls cannot be compared"):
        scorer.score(QUERY, [Document("iron")] * 65)
    server.refuses = lambda text: text == "iron"
    with pytest.raises(RemoteRequestError):  # taken apart, its scores would not be of one call
        scorer.score(QUERY, DOCUMENTS)
    scorer.close()


def test_a_document_that_the_server_probably_cut_is_noted(server_of: ServerOf) -> None:
    scorer = made("cohere", server_of("cohere"), max_document_tokens=100)
    step = scorer.score(QUERY, [Document("iron " * 200), Document("iron")]).step
    assert step.degradations == ("1 documents may have been cut by the server, which reads 100 tokens (estimated)",)
    scorer.close()


@pytest.mark.parametrize(("model", "words", "is_noted"), [("rerank-2.5", 3_000, False), ("rerank-2-lite", 3_000, True)])
def test_limits_are_those_of_the_model(model: str, words: int, is_noted: bool, server_of: ServerOf) -> None:
    scorer = made("voyage", server_of("voyage"), model=model)
    notes = scorer.score(Query("tall " * words), [Document("iron")]).step.degradations
    assert notes == (
        ("the query may have been cut by the server, which reads 2000 tokens of it (estimated)",) if is_noted else ()
    )
    scorer.close()


@pytest.mark.parametrize(
    ("model", "said", "noted"),
    [
        ("bge-reranker-v2-m3", {"parameters": {"truncate": "END"}}, "1024 tokens"),
        ("pinecone-rerank-v0", {"parameters": {"truncate": "END"}}, "512 tokens"),
        ("cohere-rerank-3.5", {}, ""),
    ],
)
def test_pinecone_cuts_what_is_too_long_for_the_models_that_can_be_told_so(
    model: str, said: dict[str, Any], noted: str, server_of: ServerOf
) -> None:
    server = server_of("pinecone")
    scorer = made("pinecone", server, model=model)
    step = scorer.score(QUERY, [Document("iron " * 2_000), Document("iron")]).step
    asked = {name: value for name, value in server.requests[0].items() if name not in {"query", "documents"}}
    assert asked == {"model": model, "return_documents": False, **said}
    assert server.headers[0]["Api-Key"] == KEY
    assert server.headers[0]["X-Pinecone-Api-Version"] == "2026-07"
    assert "Authorization" not in server.headers[0]
    assert step.counts["search_units"] == 1
    assert noted in "".join(step.degradations)
    assert bool(noted) == bool(step.degradations)
    scorer.close()


@pytest.mark.parametrize(("kind", "documents", "calls"), [("pinecone", 250, 3), ("mixedbread", 1001, 2)])
def test_a_hosted_api_gets_as_many_documents_as_it_takes(
    kind: str, documents: int, calls: int, server_of: ServerOf
) -> None:
    server = server_of(kind)
    scorer = made(kind, server)
    assert scorer.score(QUERY, [Document("iron")] * documents).step.counts["calls"] == len(server.requests) == calls
    scorer.close()


def test_an_error_of_which_only_a_title_is_said_shows_it(server_of: ServerOf) -> None:
    server = server_of("isaacus")
    server.replies.append(Reply(400, b'{"type": "about:blank", "title": "Query too long", "status": 400}'))
    scorer = made("isaacus", server)
    with pytest.raises(RemoteRequestError, match=r"answered 400.*: Query too long"):
        scorer.score(QUERY, DOCUMENTS[:1])
    scorer.close()


def test_what_a_format_has_no_field_for_is_refused_when_loaded() -> None:
    with pytest.raises(InputError, match="tei has no field for max_document_tokens=5"):
        load_hosted("tei", "http://localhost:1", max_document_tokens=5)
    with pytest.raises(InputError, match="cohere-v2 has no field for raw_scores=True"):
        load_hosted("cohere", "m", api_key="k", raw_scores=True)


def test_the_licence_of_weights_is_not_said_of_a_server_that_has_a_model_of_that_name(server_of: ServerOf) -> None:
    server = server_of("jina")
    reranker = Reranker.load("jina-reranker-v2-base-multilingual", kind="jina", base_url=server.url, api_key="k")
    ranking = reranker.rank(QUERY, DOCUMENTS)
    assert not any("NOT for commercial use" in note for note in ranking.trace.degradations)
    assert asyncio.run(reranker.arerank(ranking, top_k=1)).doc_ids == ORDER[:1]


def test_the_key_is_in_no_log_no_error_no_repr_and_no_fingerprint(
    kind: str, server_of: ServerOf, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = server_of(kind, key="another")
    monkeypatch.setenv(PROVIDERS[kind].key_variables[0], KEY)
    scorer = made(kind, server, api_key=None)
    with caplog.at_level(logging.DEBUG), pytest.raises(AuthenticationError) as caught:
        scorer.score(QUERY, DOCUMENTS)
    assert KEY in str(server.headers[0])
    parts = [caplog.text, str(caught.value), repr(caught.value), scorer.fingerprint, repr(vars(scorer._client))]
    assert [part for part in parts if KEY in part] == []
    assert PROVIDERS[kind].key_variables[0] in str(caught.value)
    scorer.close()


def test_what_a_reranker_was_made_of_is_shown_without_its_key() -> None:
    made = Reranker("rerank-v3.5", kind="cohere", api_key=KEY, fallback=["lexical:words"])
    shown = repr(vars(made))
    assert "rerank-v3.5" in shown
    assert KEY not in shown


def test_a_missing_key_names_its_variables() -> None:
    with pytest.raises(AuthenticationError, match="set COHERE_API_KEY or CO_API_KEY in the environment"):
        load_hosted("cohere", "rerank-v3.5", environ={})
    with pytest.raises(AuthenticationError, match="no HTTP header can hold"):
        load_hosted("cohere", "rerank-v3.5", api_key="line\nbreak")
    load_hosted("tei", "http://localhost:8080", environ={})


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://x", "http://", "http://u:p@x", "http://x?key=1", ""])
def test_an_address_that_is_none_is_refused_without_repeating_a_password(url: str) -> None:
    with pytest.raises(InputError, match="address") as caught:
        load_hosted("tei", url)
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "per", "counted", "units", "cost"),
    [
        ("cohere", "1000 search units", "search_units", 2, "0.00400000"),
        ("pinecone", "1000 search units", "search_units", 2, "0.00400000"),
        ("isaacus", "1000000 tokens", "total_tokens", 150, "0.00030000"),
        ("mixedbread", "1000000 tokens", "total_tokens", 150, "0.00030000"),
    ],
)
def test_costs_follow_the_users_price_list(
    kind: str, per: str, counted: str, units: int, cost: str, server_of: ServerOf, tmp_path: Any
) -> None:
    prices = tmp_path / "prices.toml"
    of_kind = f'[{kind}]\nper = "{per}"\nmodels = {{ m1 = 2.0 }}\n'
    prices.write_text(f'as_of = "2026-01-02"\ncurrency = "EUR"\n{of_kind}')
    scorer = made(kind, server_of(kind), prices=prices)
    step = scorer.score(QUERY, [Document("iron")] * 150).step
    assert step.counts[counted] == units
    assert step.facts["cost"] == f"{cost} EUR (prices of 2026-01-02)"
    assert "cost" not in made(kind, server_of(kind)).score(QUERY, DOCUMENTS).step.facts


def test_a_reranker_is_named_by_kind_and_address_and_can_be_awaited(server_of: ServerOf) -> None:
    server = server_of("tei")
    reranker = Reranker.load(server.url, kind="tei")
    ranking = reranker.rank(QUERY, DOCUMENTS)
    assert ranking.doc_ids == (*ORDER, "none", "empty")
    assert asyncio.run(reranker.arerank(ranking, top_k=2)).doc_ids == ORDER[:2]


def test_a_bad_top_k_is_refused_before_anything_is_sent(server_of: ServerOf) -> None:
    server = server_of("tei")
    reranker = Reranker.load(server.url, kind="tei")
    with pytest.raises(InputError, match="top_k must be a whole number from 1"):
        reranker.rank(QUERY, DOCUMENTS, top_k=0)
    with pytest.raises(InputError, match="top_k must be a whole number from 1"):
        asyncio.run(Pointwise(made("tei", server)).arerank(Ranking.in_order(QUERY, DOCUMENTS), top_k=0))
    assert not server.requests


def test_with_a_fallback_a_failing_server_is_replaced_and_then_left_alone(server_of: ServerOf) -> None:
    server = server_of("cohere")
    server.replies += [Reply(500, b"")] * 99
    chain = Reranker.load("m1", kind="cohere", base_url=server.url, api_key=KEY, retries=0, fallback=["lexical:x"])
    for _ in range(7):
        ranking = chain.rank(QUERY, DOCUMENTS)
        assert ranking.doc_ids[:2] == ("all", "all again")
    assert len(server.requests) == 5
    assert ranking.trace.degradations[-1].startswith(
        "fallback: cohere:m1 failed, so lexical:x was asked: RemoteUnavailableError: cohere:m1 failed 5 times in a row"
    )
