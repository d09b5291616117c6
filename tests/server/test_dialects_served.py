"""Every dialect is served at its paths: what a client of it sends is understood, and what comes back it reads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from server.running import Running
from shortlist.server.telling_apart import PREFIXED, SERVED, SHARED, dialect_of
from shortlist.wire import DIALECTS, Fault, RerankRequest, WireDocument
from shortlist.wire.errors import find_message

DOCUMENTS = ("nothing", "a tall iron tower", "iron tower")


def request_for(name: str, **more: Any) -> RerankRequest:
    model: dict[str, Any] = {"model": "overlap"} if "model" in DIALECTS[name].fields else {}
    return RerankRequest("tall iron tower", tuple(map(WireDocument, DOCUMENTS)), **model, **more)


@pytest.mark.parametrize("path", sorted(PREFIXED))
def test_a_request_is_answered_in_the_dialect_of_its_path(server: Running, path: str) -> None:
    dialect = DIALECTS[PREFIXED[path]]
    request = request_for(dialect.name)
    answer = server.ask(path, dialect.encode_request(request))
    assert answer.status == 200, answer.content
    response = dialect.decode_response(answer.json, request)
    order = [result.index for result in response.results]
    assert order == ([0, 1, 2] if dialect.name == "vllm-score" else [1, 2, 0])
    assert all(0 <= result.score <= 1 for result in response.results)


@pytest.mark.parametrize("name", SERVED)
def test_a_dialects_usual_paths_understand_it(server: Running, name: str) -> None:
    dialect = DIALECTS[name]
    request = request_for(name, **({"top_k": 2} if "top_k" in dialect.fields else {}))
    for path in dialect.paths:
        body = dialect.encode_request(request)
        answer = server.ask(path, body)
        assert answer.status == 200, answer.content
        dialect_of(path, body).decode_response(answer.json, request)


@pytest.mark.parametrize("path", sorted(PREFIXED))
def test_errors_have_the_status_and_the_shape_of_the_dialect(server: Running, path: str) -> None:
    dialect = DIALECTS[PREFIXED[path]]
    answer = server.ask(path, {"documents": "none"})
    assert answer.status == dialect.encode_error(Fault.INVALID, "").status
    assert find_message(answer.json).startswith("$")


@pytest.mark.parametrize(
    "path", [path for path, name in sorted(PREFIXED.items()) if "priority" in DIALECTS[name].fields]
)
def test_an_absurd_priority_is_the_clients_mistake_and_harms_nobody(server: Running, path: str) -> None:
    dialect = DIALECTS[PREFIXED[path]]
    body = dialect.encode_request(request_for(dialect.name))
    answer = server.ask(path, {**body, "priority": 1e308})
    assert answer.status == dialect.encode_error(Fault.INVALID, "").status
    assert "from 0 to 999" in find_message(answer.json)
    schema = server.ask("/openapi.json").json["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    assert '"maximum": 999' in json.dumps(schema)
    assert server.ask(path, body).status == 200


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("/v1/rerank", {"query": "q", "documents": ["a"]}, "jina"),
        ("/v1/rerank", {"query": "q", "documents": ["a"], "top_k": 1}, "voyage"),
        ("/v1/rerank", {"query": "q", "documents": ["a"], "truncation": True}, "voyage"),
        ("/v1/rerank", {"query": "q", "documents": ["a"], "max_chunks_per_doc": 3}, "cohere-v1"),
        ("/v1/rerank", {"query": "q", "documents": [{"title": "a"}], "rank_fields": ["title"]}, "cohere-v1"),
        ("/v1/rerank", {"query": "q", "documents": [{"text": "a"}]}, "jina"),
        ("/v1/rerank", {"query": "q", "documents": ["a"], "truncate_prompt_tokens": -1}, "vllm"),
        ("/rerank", {"query": "q", "texts": ["a"]}, "tei"),
        ("/rerank", {"query": "q", "documents": ["a"]}, "infinity"),
        ("/rerank", {"query": "q", "documents": ["a"], "top_n": 0}, "vllm"),
        ("/v1/rerank", {"query": "q", "documents": ["a"], "top_n": 0}, "vllm"),
        (
            "/v1/rerank",
            {"query": "q", "documents": [{"title": "a"}], "rank_fields": ["title"], "top_n": 0},
            "cohere-v1",
        ),
        ("/v2/rerank", {"model": "m", "query": "q", "documents": ["a"], "top_n": 0}, "vllm"),
        ("/rerank", {"query": "q", "documents": ["a"], "use_activation": False}, "vllm"),
        ("/v2/rerank", {"model": "m", "query": "q", "documents": ["a"]}, "cohere-v2"),
        ("/v2/rerank", {"query": "q", "documents": ["a"], "truncation_side": "left"}, "vllm"),
        ("/", {"query": "q", "texts": ["a"]}, "tei"),
        ("/cohere/v1/rerank", {"query": "q", "documents": ["a"], "top_k": 1}, "cohere-v1"),
        ("/v1/rerank", ["no object"], "jina"),
    ],
)
def test_shared_paths_are_told_apart_by_fields(path: str, body: Any, name: str) -> None:
    assert path in SHARED or path in PREFIXED
    assert dialect_of(path, body).name == name


@pytest.mark.parametrize("path", ["/v1/rerank", "/rerank", "/v2/rerank"])
def test_a_top_n_of_0_asks_for_all_where_vllm_may_be_meant(server: Running, path: str) -> None:
    answer = server.ask(path, {"model": "overlap", "query": "iron", "documents": ["x", "iron"], "top_n": 0})
    assert [result["index"] for result in answer.json["results"]] == [1, 0]


def test_raw_scores_are_the_models_own(server: Running) -> None:
    answer = server.ask(
        "/tei/rerank", {"query": "iron", "texts": ["iron", "x"], "raw_scores": True, "return_text": True}
    )
    assert answer.json == [{"index": 0, "text": "iron", "score": 1.0}, {"index": 1, "text": "x", "score": 0.0}]
    assert int(answer.headers["x-compute-tokens"]) > 0


def test_documents_come_back_as_the_dialect_has_them(server: Running) -> None:
    given = [{"text": "iron", "page": 3}, "x"]
    jina = server.ask("/jina/v1/rerank", {"query": "iron", "documents": given}).json["results"]
    assert [result["document"] for result in jina] == [{"text": "iron", "page": 3}, {"text": "x"}]
    voyage = server.ask(
        "/voyage/v1/rerank", {"model": "m", "query": "iron", "documents": ["iron"], "return_documents": True}
    )
    assert voyage.json["data"][0]["document"] == "iron"
    for version in ("v1", "v2"):
        body = {"model": "m", "query": "iron", "documents": ["iron", "x"]}
        cohere = server.ask(f"/cohere/{version}/rerank", body).json["results"]
        assert "document" not in cohere[0]
        cohere = server.ask(f"/cohere/{version}/rerank", {**body, "return_documents": True}).json["results"]
        assert [result["document"] for result in cohere] == [{"text": "iron"}, {"text": "x"}]


def test_a_model_that_is_not_served_is_answered_by_the_default_and_that_is_said(server: Running) -> None:
    answer = server.ask("/cohere/v2/rerank", {"model": "rerank-v3.5", "query": "q", "documents": ["d"]})
    assert answer.headers["x-shortlist-model"] == "overlap"
    assert "rerank-v3.5 is not served here" in answer.headers["x-shortlist-degraded"]
    assert "rerank-v3.5" in answer.json["meta"]["warnings"][0]


def test_the_shapes_of_tei_and_openai_describe_the_server(server: Running) -> None:
    info = server.ask("/tei/info").json
    assert "reranker" in info["model_type"]
    assert info["max_client_batch_size"] == 1000
    assert server.ask("/tei/health").status == 200
    assert [model["id"] for model in server.ask("/vllm/v1/models").json["data"]] == ["overlap"]
