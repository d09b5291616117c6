"""The server over HTTP: shared batches, budgets, limits, keys, clients that leave, models that are exchanged."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from server.fakes import Overlap
from server.running import Running, running, state_with, waited_for
from shortlist.build.models import load_model
from shortlist.errors import ScoreError
from shortlist.planning.cost import CostModel
from shortlist.scorers.occlusion import explained
from shortlist.server.app import routes
from shortlist.server.keys import new_key, read_keys
from shortlist.server.loading import pool_of
from shortlist.server.metrics import Metrics
from shortlist.server.models.asked import Served
from shortlist.server.models.pool import ModelPool
from shortlist.server.models.queued import QueuedModel
from shortlist.server.routes.openapi import openapi
from shortlist.server.scheduling.queue import Bounds
from shortlist.server.settings import ServeSettings
from shortlist.server.state import State
from shortlist.settings import Settings
from shortlist.types import Document, Query

OWN = "/shortlist/v1/rerank"


def own(documents: list[Any], query: str = "tall iron tower", **more: Any) -> dict[str, Any]:
    return {"query": query, "documents": documents, **more}


def test_ids_and_metadata_come_back_and_duplicates_stay_distinct(server: Running) -> None:
    documents = [{"id": "a", "text": "x"}, {"id": "b", "text": "iron", "metadata": {"deep": [1, None]}}, "iron"]
    answer = server.ask(OWN, own(documents, return_documents=True))
    results = answer.json["results"]
    assert [result["id"] for result in results] == ["b", "2", "a"]
    assert results[0]["metadata"] == {"deep": [1, None]}
    assert results[0]["document"] == {"text": "iron"}
    assert results[0]["before"] == {"rank": 2}
    assert "queue" in answer.headers["server-timing"]


def test_an_empty_id_is_none_a_whole_number_is_written_out_and_others_are_refused(server: Running) -> None:
    answer = server.ask(OWN, own([{"id": "", "text": "iron"}, {"id": None, "text": "x"}, {"id": 7, "text": "y"}]))
    assert [result["id"] for result in answer.json["results"]] == ["0", "1", "7"]
    for wrong in (True, 7.5, ["a"]):
        refused = server.ask(OWN, own([{"id": wrong, "text": "iron"}]))
        assert refused.status == 400
        assert "$.documents[0].id: expected a string or a whole number" in refused.json["error"]["message"]


def test_an_explanation_weighs_the_words(server: Running) -> None:
    answer = server.ask(OWN, own(["a red tower"], query="tower", explain=1)).json
    explanation = answer["results"][0]["explanation"]
    weights = {"a red tower"[part["start"] : part["end"]]: part["weight"] for part in explanation["parts"]}
    assert weights == {"a": 0.0, "red": 0.0, "tower": 1.0}
    assert "occlusion" in explanation["method"]


def test_a_stream_ends_with_the_whole_answer(server: Running) -> None:
    answer = server.ask(OWN, own(["iron", "x"], stream=True))
    assert answer.headers["content-type"].startswith("text/event-stream")
    last = answer.content.decode().strip().split("\n\n")[-1]
    assert last.startswith("event: done\ndata: ")
    assert [result["index"] for result in json.loads(last.split("data: ", 1)[1])["results"]] == [0, 1]


def test_a_threshold_needs_to_know_the_kind_of_score(server: Running) -> None:
    assert server.ask(OWN, own(["iron"], min_score=0.5)).status == 400
    kept = server.ask(OWN, own(["iron", "x"], min_score=0.1, score_kind="logit")).json
    assert [result["index"] for result in kept["results"]] == [0]


@pytest.mark.parametrize("path", [OWN, "/shortlist/v1/explain"])
def test_a_kind_of_score_that_there_is_not_is_refused_before_anything_is_scored(server: Running, path: str) -> None:
    refused = server.ask(path, own(["iron"], score_kind="logits"))
    assert refused.status == 400
    assert "$.score_kind: expected one of 'logit', 'calibrated probability'" in refused.json["error"]["message"]


def test_no_more_results_are_explained_than_the_format_allows(server: Running) -> None:
    refused = server.ask(OWN, own(["iron"], explain=11))
    assert refused.status == 400
    assert "$.explain: expected at most 10 results" in refused.json["error"]["message"]


def test_requests_that_wait_together_are_scored_together() -> None:
    scorer = Overlap()
    with running(state_with({"overlap": scorer}, settings=ServeSettings(batch_tokens=1000))) as server:
        scorer.gate.clear()
        with ThreadPoolExecutor(8) as many:
            asked = [many.submit(server.ask, OWN, own([f"iron {i}"], query=f"iron {i}")) for i in range(6)]
            waited_for(lambda: server.state.pool.loaded("overlap").load.pairs == 6)  # type: ignore[union-attr]
            scorer.gate.set()
            assert [one.result().status for one in asked] == [200] * 6
        metrics = server.ask("/metrics").content.decode()
    assert "shortlist_requests_total" in metrics


def test_a_budget_that_is_spent_gives_what_there_is_and_says_so() -> None:
    scorer = Overlap()
    with running(state_with({"overlap": scorer})) as server:
        scorer.gate.clear()
        answer = server.ask(OWN, own(["x", "iron"], budget_ms=50))
        scorer.gate.set()
        assert answer.status == 200
        assert answer.json["partial"] is True
        assert (answer.json["unscored"], answer.json["score_kind"]) == (2, "reciprocal rank")
        assert [result["score"] for result in answer.json["results"]] == [None, None]
        assert [step["stage"] for step in answer.json["trace"]] == ["queue", "scoring"]
        assert "0 of 2" in answer.headers["x-shortlist-degraded"]


@pytest.mark.parametrize("more", [{}, {"score_kind": "reciprocal rank"}])
def test_a_threshold_refuses_nothing_when_nothing_was_scored_in_time(more: dict[str, str]) -> None:
    scorer = Overlap()
    with running(state_with({"overlap": scorer})) as server:
        scorer.gate.clear()
        answer = server.ask(OWN, own(["x", "iron"], budget_ms=50, min_score=0.9, **more))
        scorer.gate.set()
        assert answer.status == 200
        assert [result["index"] for result in answer.json["results"]] == [0, 1]
        assert any("min_score=0.9 was not applied" in note for note in answer.json["degradations"])
        assert "min_score=0.9 was not applied" in answer.headers["x-shortlist-degraded"]


def test_the_budget_may_stand_in_a_header_of_any_dialect() -> None:
    scorer = Overlap()
    with running(state_with({"overlap": scorer})) as server:
        scorer.gate.clear()
        answer = server.ask("/jina/v1/rerank", own(["x", "iron"]), headers={"X-Shortlist-Budget-Ms": "50"})
        scorer.gate.set()
        assert [(result["index"], result["relevance_score"]) for result in answer.json["results"]] == [(0, 0), (1, 0)]
        assert server.ask(OWN, own(["x"]), headers={"X-Shortlist-Budget-Ms": "soon"}).status == 400


def test_a_budget_is_kept_while_a_model_loads() -> None:
    may_load = threading.Event()
    loads: list[str] = []

    async def load(name: str) -> Served:
        loads.append(name)
        if name == "slow":
            await asyncio.to_thread(may_load.wait, 10)
        return QueuedModel(Overlap())

    with running(State(ServeSettings(), ModelPool(["quick", "slow"], load), Metrics())) as server:
        for _ in range(2):
            answer = server.ask(OWN, own(["x", "iron"], model="slow", budget_ms=50))
            assert (answer.status, answer.json["unscored"]) == (200, 2)
            assert [result["index"] for result in answer.json["results"]] == [0, 1]
            assert "budget of 50 ms: 0 of 2" in answer.headers["x-shortlist-degraded"]
        may_load.set()
        answer = server.ask(OWN, own(["x", "iron"], model="slow"))
        assert [result["index"] for result in answer.json["results"]] == [1, 0]
    assert loads == ["quick", "slow"]


def test_one_bad_document_fails_neither_its_request_nor_its_neighbours() -> None:
    with running(state_with()) as server:
        answer = server.ask(OWN, own(["x", "POISON", "iron"])).json
        assert [result["index"] for result in answer["results"]] == [2, 0, 1]
        assert answer["results"][2]["score"] is None
        assert any("1 of 3 documents have no score" in note for note in answer["degradations"])
        assert server.ask(OWN, own(["POISON"])).status == 500


def test_overload_is_refused_at_once_and_says_when_to_come_again() -> None:
    scorer = Overlap()
    with running(state_with({"overlap": scorer}, bounds=Bounds(pairs=4))) as server:
        scorer.gate.clear()
        with ThreadPoolExecutor(1) as one:
            first = one.submit(server.ask, OWN, own(["a", "b"]))
            waited_for(lambda: server.state.pool.loaded("overlap").load.pairs == 2)  # type: ignore[union-attr]
            refused = server.ask("/cohere/v2/rerank", own(["c", "d", "e"], model="m"))
            scorer.gate.set()
            assert first.result().status == 200
        assert refused.status == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json["message"].startswith("too much to do")


def test_the_work_of_a_client_that_left_is_not_done() -> None:
    scorer = Overlap()
    with running(state_with({"overlap": scorer}, settings=ServeSettings(batch_tokens=1))) as server:
        scorer.gate.clear()
        body = json.dumps(own([f"iron {i}" for i in range(50)])).encode()
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            head = f"POST {OWN} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
            client.sendall(head.encode() + body)
            waited_for(lambda: server.state.pool.loaded("overlap").load.pairs == 50)  # type: ignore[union-attr]
        waited_for(lambda: server.state.pool.loaded("overlap").load.pairs <= 2)  # type: ignore[union-attr]
        scorer.gate.set()
        assert len(scorer.calls) <= 2


def test_keys_are_wanted_and_limited(tmp_path: Path) -> None:
    key, line = new_key("team")
    slow, slow_line = new_key("slow")
    file = tmp_path / "keys"
    file.write_text(f"# ours\n{line}\n{slow_line} requests_per_s=0.01\n")
    assert key not in file.read_text()
    with running(state_with(keys=read_keys(file))) as server:
        assert server.ask(OWN, own(["x"])).status == 401
        assert (
            server.ask("/tei/rerank", {"query": "q", "texts": ["t"]}, headers={"Authorization": "Bearer no"}).status
            == 401
        )
        assert server.ask(OWN, own(["x"]), headers={"Authorization": f"Bearer {key}"}).status == 200
        assert server.ask(OWN, own(["x"]), headers={"X-Api-Key": key}).status == 200
        assert server.ask("/health").status == 200
        again = [server.ask(OWN, own(["x"]), headers={"Authorization": f"Bearer {slow}"}) for _ in range(2)]
        assert [answer.status for answer in again] == [200, 429]
        assert int(again[1].headers["retry-after"]) > 50


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 401),
        ({"Origin": "https://evil.example"}, 401),
        ({"Origin": "null"}, 401),
        ({"Origin": "http://["}, 401),
        ({"Host": "localhost:1"}, 200),
        ({"Origin": "http://127.0.0.1:9", "Host": "127.0.0.1:9"}, 200),
    ],
)
def test_pages_elsewhere_may_not_ask_a_loopback_server(server: Running, headers: dict[str, str], status: int) -> None:
    assert server.ask(OWN, own(["x"]), headers=headers).status == status


def test_a_named_origin_may_ask() -> None:
    origin = "https://ours.example"
    with running(state_with(settings=ServeSettings(cors_origins=(origin,)))) as server:
        answer = server.ask(OWN, own(["x"]), headers={"Origin": origin})
        assert answer.headers["access-control-allow-origin"] == origin
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        of_an_sdk = {"Access-Control-Request-Headers": "authorization,x-client-name,x-fern-language"}
        preflight = server.ask(OWN, headers={**asked, **of_an_sdk}, method="OPTIONS")
        assert preflight.status == 204
        assert "x-fern-language" in preflight.headers["access-control-allow-headers"]


def test_limits_are_kept_and_named() -> None:
    limits = ServeSettings(max_body_bytes=2000, max_documents=3, max_query_characters=50)
    with running(state_with(settings=limits)) as server:
        for body in (b"x" * 3000, own(["d"] * 4), own(["d"], query="q" * 60)):
            answer = server.ask(OWN, body)
            assert answer.status == 413
            assert answer.json["error"]["kind"] == "too large"
        assert server.ask("/voyage/v1/rerank", own(["d"] * 4, model="m")).status == 400


def test_a_title_counts_among_the_characters_of_its_document() -> None:
    with running(state_with(settings=ServeSettings(max_document_characters=100))) as server:
        whole, cut = (own([{"text": "x", "title": "t" * length}], truncate=False) for length in (98, 99))
        assert server.ask(OWN, whole).status == 200
        answer = server.ask(OWN, cut)
        assert answer.status == 413
        assert "document 0 has 101 characters" in answer.json["error"]["message"]


def test_an_explanation_of_a_document_that_was_cut_says_so() -> None:
    with running(state_with(settings=ServeSettings(max_document_characters=100))) as server:
        answer = server.ask("/shortlist/v1/explain", own(["iron " * 30], query="iron"))
        assert answer.status == 200
        assert "have more than 100 characters, and were cut" in answer.headers["x-shortlist-degraded"]


def test_an_explanation_that_had_no_time_says_so() -> None:
    scorer = Overlap()
    scorer.gate.clear()
    with running(state_with({"overlap": scorer})) as server:
        for path, options in ((OWN, {"explain": 1}), ("/shortlist/v1/explain", {})):
            answer = server.ask(path, own(["iron"], query="iron", budget_ms=20, **options))
            assert answer.status == 200
            assert "explanation: 2 of 2 readings have no score" in answer.headers["x-shortlist-degraded"], path
        scorer.gate.set()


def test_a_document_that_is_too_long_is_cut_and_fails_no_request() -> None:
    long = "x " * 60 + "iron"
    scorer = Overlap()
    with running(state_with({"overlap": scorer}, settings=ServeSettings(max_document_characters=100))) as server:
        answer = server.ask(OWN, own(["tall", {"text": long, "title": "t"}], return_documents=True))
        assert [result["index"] for result in answer.json["results"]] == [0, 1]
        assert answer.json["results"][1]["document"] == {"text": long, "title": "t"}
        note = "1 documents have more than 100 characters, and were cut there; the first is 1"
        assert answer.json["degradations"] == [f"limits: {note}"]
        assert note in answer.headers["x-shortlist-degraded"]
        assert max(len(text) for call in scorer.calls for text in call) == 98, "with the title and its line break 100"
        assert server.ask("/tei/rerank", {"query": "iron", "texts": [long, "x"]}).json[0]["index"] == 0


@pytest.mark.parametrize(("side", "order"), [("right", [0, 1]), ("left", [1, 0])])
def test_a_document_that_is_too_long_keeps_the_end_that_was_asked_for(side: str, order: list[int]) -> None:
    documents = ["iron " + "x" * 200, "x" * 200 + " iron"]
    with running(state_with(settings=ServeSettings(max_document_characters=100))) as server:
        answer = server.ask("/vllm/rerank", own(documents, query="iron", truncation_side=side))
        assert [result["index"] for result in answer.json["results"]] == order
        refused = {"query": "iron", "truncate": False}
        assert server.ask("/tei/rerank", {**refused, "texts": documents}).status == 413
        assert server.ask(OWN, {**refused, "documents": documents}).status == 413


def test_what_may_not_be_cut_is_named_when_it_has_to_be() -> None:
    long, short = "tower " * 600, "iron"
    with running(state_with({"reads": load_model("shortlist-minilm-l6")})) as server:
        for query, document, what in ((long, short, "the query"), (short, long, "document 0")):
            own_answer = server.ask(OWN, {"query": query, "documents": [document], "truncate": False})
            tei = server.ask("/tei/rerank", {"query": query, "texts": [document], "truncate": False})
            assert (own_answer.status, tei.status) == (400, 422)
            assert own_answer.json["error"]["message"].startswith(f"{what} has 600 tokens, of which the model reads")
            assert tei.json["error"] == own_answer.json["error"]["message"]


def test_no_other_model_is_asked_what_is_too_large() -> None:
    limits = ServeSettings(max_tokens=10)
    scorers = {"one": Overlap(), "other": Overlap()}
    with running(state_with(scorers, settings=limits, fallback=("other",))) as server:
        assert server.ask(OWN, own(["d"], query="q")).status == 200
        assert server.ask(OWN, own(["d " * 50], query="q")).status == 413


def test_the_log_says_why_another_model_answered(caplog: pytest.LogCaptureFixture) -> None:
    def down(query: str, text: str) -> float:
        raise ScoreError("down")

    def logged() -> list[Any]:
        facts = [record.__dict__.get("facts", {}) for record in caplog.records]
        return [one.get("failed") for one in facts if one.get("documents")]

    scorers = {"one": Overlap(down), "other": Overlap()}
    with running(state_with(scorers, fallback=("other",))) as server, caplog.at_level(logging.INFO, "shortlist.server"):
        for model in ("one", "other"):
            assert server.ask(OWN, own(["iron"], model=model)).status == 200
        waited_for(lambda: len(logged()) == 2)
    assert logged() == [["one failed, so other was asked: ScoreError: down"], None]


def test_the_model_that_answers_is_the_one_that_is_named() -> None:
    def down(query: str, text: str) -> float:
        raise ScoreError("down")

    scorers = {"one": Overlap(down), "other": Overlap()}
    with running(state_with(scorers, fallback=("other",))) as server:
        for path, body in (
            (OWN, own(["iron"], model="one", explain=1)),
            ("/jina/v1/rerank", own(["iron"], model="one")),
            ("/shortlist/v1/explain", own(["iron"], model="one")),
        ):
            answer = server.ask(path, body)
            assert (answer.json["model"], answer.headers["x-shortlist-model"]) == ("other", "other"), path
            assert "one failed, so other was asked" in answer.headers["x-shortlist-degraded"], path
        metrics = server.ask("/metrics").content.decode()
    assert 'shortlist_documents_total{model="other"}' in metrics
    assert '_total{model="one"}' not in metrics


def test_when_every_model_fails_no_document_has_a_score() -> None:
    def down(query: str, text: str) -> float:
        raise ScoreError("down")

    with running(state_with({"one": Overlap(down), "other": Overlap(down)}, fallback=("other",))) as server:
        answer = server.ask(OWN, own(["x", "iron"])).json
        assert [(result["index"], result["score"]) for result in answer["results"]] == [(0, None), (1, None)]
        assert (answer["partial"], "the given order stands" in answer["degradations"][-1]) == (True, True)
        jina = server.ask("/jina/v1/rerank", own(["x", "iron"])).json["results"]
        assert [result["relevance_score"] for result in jina] == [0, 0]


def test_a_body_is_measured_by_the_limit_of_its_dialect_on_a_shared_path_too() -> None:
    limits = {"jina": {"max_body_bytes": 1024}, "voyage": {"max_body_bytes": 4096}}
    with running(state_with(settings=ServeSettings(max_body_bytes=2048, limits=limits))) as server:
        for size, more, status in (
            (500, {}, 200),
            (1500, {}, 413),
            (1500, {"max_chunks_per_doc": 1}, 200),
            (3000, {"max_chunks_per_doc": 1}, 413),
            (3000, {"top_k": 1}, 200),
            (5000, {"top_k": 1}, 413),
        ):
            body = own(["d" * size], model="m") | more
            assert server.ask("/v1/rerank", body).status == status, (size, more)


def test_a_dialect_may_have_limits_of_its_own() -> None:
    limits = {"voyage": {"max_documents": 2, "max_tokens": 40}, "jina": {"max_body_bytes": 1024}}
    with running(state_with(settings=ServeSettings(limits=limits))) as server:
        assert server.ask("/voyage/v1/rerank", own(["d"] * 2, model="m")).status == 200
        assert server.ask("/voyage/v1/rerank", own(["d"] * 3, model="m")).status == 400
        answer = server.ask("/voyage/v1/rerank", own(["d " * 50], model="m"))
        assert (answer.status, "more than the 40" in answer.json["detail"]) == (400, True)
        assert server.ask("/jina/v1/rerank", own(["d" * 1100], model="m")).status in {413, 422}
        assert server.ask("/tei/info").json["max_client_batch_size"] == 1000
        for free in ("/cohere/v1/rerank", OWN):
            assert server.ask(free, own(["d " * 200] * 3)).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b'{"query": NaN}',
        b'{"query": "q", "documents": [{"text": "d", "metadata": {"n": -1e400}}]}',
        b"[" * 100_000,
        b'{"query": "q", "documents": [{"text": "d", "metadata": {"n": ' + b"[" * 960 + b"]" * 960 + b"}}]}",
        {"query": " ", "documents": ["d"]},
        own([]),
    ],
    ids=["empty", "cut", "no text", "a list", "NaN", "1e400", "deep", "deep metadata", "blank query", "no documents"],
)
def test_a_bad_body_is_the_clients_mistake(server: Running, body: Any) -> None:
    answer = server.ask(OWN, body, method="POST")
    assert answer.status == 400
    assert answer.json["error"]["message"]


def test_a_packed_body_is_named_as_such(server: Running) -> None:
    packed = gzip.compress(json.dumps(own(["iron"])).encode())
    answer = server.ask(OWN, packed, headers={"Content-Encoding": "gzip"})
    assert answer.status == 400
    assert "packed (gzip)" in answer.json["error"]["message"]


def test_text_that_is_no_valid_unicode_is_ranked_all_the_same(server: Running) -> None:
    answer = server.ask(OWN, b'{"query": "iron", "documents": ["\\ud800 x", "iron"], "return_documents": true}')
    assert [result["index"] for result in answer.json["results"]] == [1, 0]


def test_what_is_not_there_says_where_to_look(server: Running) -> None:
    assert server.ask("/nowhere").status == 404
    wrong = server.ask("/health", {}, method="POST")
    assert wrong.status == 405
    assert "GET" in wrong.headers["allow"]
    assert server.ask("/v1/search", {"query": "q"}).status == 404
    assert server.ask("/page/..%2f..%2fkeys.py").status == 404


def test_a_model_is_exchanged_without_losing_a_request() -> None:
    scorer = Overlap()
    with running(state_with({"overlap": scorer})) as server:
        old = server.state.pool.loaded("overlap")
        scorer.gate.clear()
        with ThreadPoolExecutor(1) as one:
            asked = one.submit(server.ask, OWN, own(["iron"]))
            waited_for(lambda: old.load.pairs == 1)  # type: ignore[union-attr]
            server.call(lambda: server.state.pool.reload("overlap"))
            assert server.state.pool.loaded("overlap") is not old
            scorer.gate.set()
            assert asked.result().status == 200


def test_a_request_id_is_kept_and_no_text_is_logged(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    def facts() -> list[dict[str, Any]]:
        return [record.__dict__.get("facts", {}) for record in caplog.records]

    with caplog.at_level(logging.INFO, "shortlist.server"):
        answer = server.ask(OWN, own(["a secret"], query="hidden words"), headers={"X-Request-Id": "r-1"})
        waited_for(lambda: any(fact.get("request_id") == "r-1" for fact in facts()))  # it is logged after it is sent
    assert answer.headers["x-request-id"] == "r-1"
    assert next(fact for fact in facts() if fact.get("request_id") == "r-1")["documents"] == 1
    assert "secret" not in str(facts())
    assert "hidden" not in str(facts())


def test_a_head_that_does_not_arrive_in_time_ends_the_connection() -> None:
    with running(state_with(settings=ServeSettings(header_timeout_s=0.1))) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as slow:
            slow.sendall(b"POST /rerank HTTP/1.1\r\nHost: loc")
            assert slow.recv(100) == b""
        assert server.ask("/health").status == 200


def test_a_body_that_does_not_arrive_in_time_is_refused() -> None:
    head = f"POST {OWN} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{{"
    with (
        running(state_with(settings=ServeSettings(body_timeout_s=0.1))) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=10) as slow,
    ):
        slow.sendall(head.encode())
        assert b"400" in slow.recv(1000)


def test_the_page_needs_nothing_from_elsewhere(server: Running) -> None:
    page = server.ask("/")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    files = [page, *(server.ask(f"/page/{name}") for name in ("page.css", "page.js"))]
    assert [answer.status for answer in files] == [200, 200, 200]
    text = b"".join(answer.content for answer in files).decode().replace("http://www.w3.org/2000/svg", "")
    assert "//" not in "".join(line for line in text.splitlines() if "http" in line)
    assert "innerHTML" not in text


def test_the_openapi_document_names_every_path_that_takes_a_body(server: Running) -> None:
    paths = server.ask("/openapi.json").json["paths"]
    for path, operations in paths.items():
        method = "GET" if "get" in operations else "POST"
        assert server.ask(path, {} if method == "POST" else None).status != 404 or path.endswith("/v1/search")


def test_the_openapi_document_names_every_route_but_the_page_and_itself() -> None:
    described = {(path, method.upper()) for path, operations in openapi()["paths"].items() for method in operations}
    there = {(route.path, method) for route in routes() for method in route.methods or () if method != "HEAD"}
    assert {path for path, _ in there - described} == {"/", "/page/{name}", "/openapi.json"}
    assert described <= there


def test_an_explanation_is_that_of_the_library(server: Running) -> None:
    answer = server.ask("/shortlist/v1/explain", own(["a tall red tower"], query="tall tower")).json
    found = explained(Overlap(), Query("tall tower"), Document("a tall red tower"))
    assert answer["parts"] == [asdict(part) for part in found.parts]
    assert max(part["weight"] for part in answer["parts"]) > 0


@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_a_plan_says_that_figures_are_not_of_int8_where_a_model_runs_in_it(precision: str) -> None:
    settings, serve, metrics = Settings(engine="onnxruntime", precision=precision), ServeSettings(), Metrics()
    with running(State(serve, pool_of(settings, serve, metrics), metrics)) as server:
        assert server.ask("/v1/rerank", {"query": "tower", "documents": ["a"]}).status == 200
        answer = server.ask("/v1/plan", {"budget_ms": 10_000, "candidates": 2}).json
    assert answer["chosen"]["stages"][0]["model"] == "shortlist-l6"
    assert any("runs in int8" in note for note in answer["notes"]) == (precision == "int8")


def test_a_plan_is_made_beside_the_event_loop() -> None:
    planners: list[threading.Thread] = []

    class Watched(CostModel):
        def p95_ms(self, lengths: Sequence[int]) -> float:
            planners.append(threading.current_thread())
            return 5.0 * len(lengths)

    async def load(name: str) -> Served:
        loops.append(threading.current_thread())
        return QueuedModel(Overlap(), cost=Watched(fixed_ms=1, pair_ms=1))

    loops: list[threading.Thread] = []
    with running(State(ServeSettings(), ModelPool(["shortlist-l6"], load), Metrics())) as server:
        answer = server.ask("/v1/plan", {"budget_ms": 100, "candidates": 10})
    assert answer.json["chosen"]["stages"][0]["model"] == "shortlist-l6"
    assert planners
    assert not {*planners} & {*loops}
