"""Every dialect against its golden file, in both directions, and under any values."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.errors import InputError, WireError
from shortlist.wire import (
    DIALECTS,
    Dialect,
    Fault,
    RerankRequest,
    RerankResponse,
    RerankResult,
    Usage,
    WireDocument,
    own,
)
from shortlist.wire.errors import find_message
from shortlist.wire.reading import At

GOLDEN = Path(__file__).parent / "golden"
dialects = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=lambda dialect: dialect.name)


def golden(dialect: Dialect) -> dict[str, Any]:
    """A request, its response and an error as the provider documents them, with what they mean."""
    content: dict[str, Any] = json.loads((GOLDEN / f"{dialect.name}.json").read_text(encoding="utf-8"))
    return content


@dialects
def test_the_golden_request_means_what_its_file_says_and_is_written_the_same(dialect: Dialect) -> None:
    file = golden(dialect)
    request = dialect.decode_request(file["request"])
    neutral = dict(file["neutral"])
    assert [document.text for document in request.documents] == neutral.pop("texts")
    expected = replace(RerankRequest("", ()), **neutral)
    assert replace(request, documents=()) == expected
    assert dialect.encode_request(request) == file["request"]


@dialects
def test_the_golden_response_is_read_and_written_the_same(dialect: Dialect) -> None:
    file = golden(dialect)
    request = dialect.decode_request(file["request"])
    response = dialect.decode_response(file["response"], request)
    body = file["response"]
    rows = body if isinstance(body, list) else body.get("results", body.get("data"))
    scores = [(row["index"], row.get("relevance_score", row.get("score"))) for row in rows]
    assert [(result.index, result.score) for result in response.results] == scores
    assert dialect.encode_response(response) == body


@dialects
def test_the_golden_error_is_written_and_its_reason_found(dialect: Dialect) -> None:
    error = golden(dialect)["error"]
    reply = dialect.encode_error(Fault(error["fault"]), error["message"])
    assert (reply.status, reply.body) == (error["status"], error["body"])
    assert find_message(reply.body) == error["message"]


@dialects
@pytest.mark.parametrize("fault", Fault)
def test_every_fault_has_a_status_and_its_reason_is_found(dialect: Dialect, fault: Fault) -> None:
    reply = dialect.encode_error(fault, "the reason")
    assert 400 <= reply.status < 600
    assert reply.body is None or find_message(json.loads(json.dumps(reply.body))) == "the reason"


texts = st.text(st.characters(exclude_categories=()), max_size=30)
whole = st.integers(1, 10_000)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "model": texts,
    "top_k": st.none() | whole,
    "return_documents": st.none() | st.booleans(),
    "raw_scores": st.none() | st.booleans(),
    "truncate": st.none() | st.just(True),
    "truncation_side": st.sampled_from([None, "left", "right"]),
    "max_document_tokens": st.none() | whole,
    "priority": st.none() | st.integers(0, 9),
}


@st.composite
def requests(draw: st.DrawFn, dialect: Dialect) -> RerankRequest:
    documents = draw(st.lists(st.builds(WireDocument, texts), min_size=1, max_size=6))
    if dialect.name == "pinecone":  # and goes as one
        documents = [object_of(document) for document in documents]
    said = {name: draw(values) for name, values in FIELDS.items() if name in dialect.fields}
    return RerankRequest(draw(texts), tuple(documents), **said)


@st.composite
def answered(draw: st.DrawFn, dialect: Dialect) -> tuple[RerankRequest, RerankResponse]:
    request = draw(requests(dialect))
    order = draw(st.permutations(range(len(request.documents))))[: request.expected]
    scores = st.floats(-1e30, 1e30)
    has_documents = "return_documents" in dialect.fields or dialect.returns_documents
    results = [RerankResult(i, draw(scores), request.documents[i] if has_documents else None) for i in order]
    if dialect.name in {"cohere-v1", "cohere-v2", "jina", "pinecone"}:  # a document comes back as an object
        results = [replace(r, document=r.document and object_of(r.document)) for r in results]
    body = dialect.encode_response(RerankResponse((), "m", "id", 1, Usage(1, 1), ("w",)))
    known = dialect.decode_response(body, RerankRequest("", ()))  # what this dialect can say beside the results
    return request, replace(known, results=tuple(results))


def object_of(document: WireDocument) -> WireDocument:
    return replace(document, fields={"text": document.text})


@dialects
@given(data=st.data())
@settings(max_examples=40)
def test_what_is_written_is_read_back_the_same(dialect: Dialect, data: st.DataObject) -> None:
    request, response = data.draw(answered(dialect))
    assert dialect.decode_request(json.loads(json.dumps(dialect.encode_request(request)))) == request
    body = json.loads(json.dumps(dialect.encode_response(response)))
    assert dialect.decode_response(body, request) == response


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def is_refused_with_a_path(read: Callable[[], object]) -> bool:
    """Whether a reading is refused; any other error than one that names a path is a defect."""
    try:
        read()
    except WireError as error:
        return str(error).startswith("$") or pytest.fail(f"no path in {error}")
    return False


@dialects
@given(data=st.data())
@settings(max_examples=40)
def test_any_json_is_read_or_refused_with_a_path(dialect: Dialect, data: st.DataObject) -> None:
    request = golden(dialect)["request"]
    name = data.draw(st.sampled_from(sorted(request)))
    for body in (data.draw(json_values), {**request, name: data.draw(json_values)}):
        is_refused_with_a_path(partial(dialect.decode_request, body))


@dialects
@given(data=st.data())
@settings(max_examples=40)
def test_any_answer_is_read_or_refused_with_a_path(dialect: Dialect, data: st.DataObject) -> None:
    request = dialect.decode_request(golden(dialect)["request"])
    body = golden(dialect)["response"]
    if isinstance(body, list):
        body[data.draw(st.integers(0, 2))] = data.draw(json_values)
    else:
        body[data.draw(st.sampled_from(sorted(body)))] = data.draw(json_values)
    if not is_refused_with_a_path(lambda: dialect.decode_response(body, request)):
        assert len(dialect.decode_response(body, request).results) == request.expected


def changed(request: Any, **members: Any) -> Any:
    return {**request, **members}


@dialects
@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda body, docs: {k: v for k, v in body.items() if k != docs}, r"\$"),
        (lambda body, docs: {**body, docs: []}, r"at least one document"),
        (lambda body, docs: {**body, docs: 5}, r"\$\.\w+: expected a (list|string)"),
        (lambda body, docs: {**body, docs: ["fine", 5]}, r"\$\.\w+\[1\]: expected a string.*got 5 \(int\)"),
        (lambda body, docs: {**body, docs: ["fine", {"image": "x"}]}, r"\$\.\w+\[1\]"),
        (lambda body, docs: [body], r"\$: expected an object"),
    ],
)
def test_bad_documents_are_refused_with_the_path(
    dialect: Dialect, change: Callable[[Any, str], Any], path: str
) -> None:
    request = golden(dialect)["request"]
    documents = next(name for name in ("documents", "input", "texts", "text_2") if name in request)
    with pytest.raises(WireError, match=path):
        dialect.decode_request(change(request, documents))


@dialects
def test_an_unknown_field_is_refused_by_cohere_v2_and_ignored_by_others(dialect: Dialect) -> None:
    request = golden(dialect)["request"]
    if dialect.name == "cohere-v2":
        with pytest.raises(WireError, match=r"^\$\.surprise: unknown field; known are "):
            dialect.decode_request({**request, "surprise": 1})
    else:
        assert dialect.decode_request({**request, "surprise": 1}) == dialect.decode_request(request)


@pytest.mark.parametrize("wrong", [-1, 1000, 1e308, 10**40, 0.5, "high", True])
def test_a_priority_beyond_its_range_is_refused_and_the_range_named(wrong: Any) -> None:
    formats = [dialect for dialect in DIALECTS.values() if "priority" in dialect.fields]
    decoders: list[tuple[Callable[[Any], Any], Any]] = [(d.decode_request, golden(d)["request"]) for d in formats]
    for decode, body in [*decoders, (own.decode_request, {"query": "q", "documents": ["d"]})]:
        assert decode({**body, "priority": 999.0}).priority == 999
        with pytest.raises(WireError, match=r"^\$\.priority: expected a whole number from 0 to 999, got "):
            decode({**body, "priority": wrong})


@dialects
def test_what_a_format_cannot_say_is_not_dropped_in_silence(dialect: Dialect) -> None:
    everything: dict[str, Any] = {
        "model": "m",
        "top_k": 1,
        "return_documents": True,
        "raw_scores": True,
        "truncate": True,
        "truncation_side": "left",
        "max_document_tokens": 5,
        "max_pair_tokens": 5,
        "rank_fields": ("text",),
        "priority": 1,
    }
    for name, value in everything.items():
        request = replace(RerankRequest("q", (WireDocument("d"),)), **{name: value})
        if name in dialect.fields:
            dialect.encode_request(request)
        else:
            with pytest.raises(InputError, match=f"{dialect.name} has no field for {name}="):
                dialect.encode_request(request)


def test_cohere_v1_reads_the_fields_that_are_named() -> None:
    body = {"query": "q", "documents": [{"title": "T", "body": "B", "year": "1"}], "rank_fields": ["title", "body"]}
    request = DIALECTS["cohere-v1"].decode_request(body)
    assert request.documents[0].text == "T\nB"
    assert DIALECTS["cohere-v1"].encode_request(request) == body
    with pytest.raises(WireError, match=r"^\$\.documents\[0\]\.text: missing; .* has body, title, year$"):
        DIALECTS["cohere-v1"].decode_request({k: v for k, v in body.items() if k != "rank_fields"})


@pytest.mark.parametrize("names", [("text_1", "text_2"), ("data_1", "data_2"), ("queries", "documents")])
def test_vllm_score_takes_every_pair_of_names_and_single_strings(names: tuple[str, str]) -> None:
    decode = DIALECTS["vllm-score"].decode_request
    assert decode({names[0]: ["q"], names[1]: "d"}) == RerankRequest("q", (WireDocument("d"),))
    with pytest.raises(WireError, match="expected one query"):
        decode({names[0]: ["q", "r"], names[1]: ["d", "e"]})


@pytest.mark.parametrize("name", ["voyage", "llamacpp", "isaacus", "cohere-v2", "infinity"])
def test_formats_of_strings_send_the_text_of_an_object_alone(name: str) -> None:
    document = WireDocument("It is tall.", {"text": "It is tall.", "page": 3})
    body = DIALECTS[name].encode_request(RerankRequest("q", (document,), model="m"))
    assert ["It is tall."] in body.values()


def test_what_pinecone_is_told_of_other_parameters_is_passed_over() -> None:
    body = golden(DIALECTS["pinecone"])["request"]
    decode = DIALECTS["pinecone"].decode_request
    assert decode({**body, "parameters": {"max_chunks_per_doc": 3}}).truncate is None
    assert decode({**body, "parameters": {"truncate": "NONE"}}).truncate is False
    with pytest.raises(WireError, match=r"^\$\.parameters\.truncate: expected END or NONE, got 'START'"):
        decode({**body, "parameters": {"truncate": "START"}})


def test_vllm_takes_zero_for_all() -> None:
    request = DIALECTS["vllm"].decode_request({"query": "q", "documents": ["d"], "top_n": 0, "max_tokens_per_doc": 0})
    assert request == RerankRequest("q", (WireDocument("d"),))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"detail": [{"loc": ["body"], "msg": "field required"}, {"msg": "too long"}]}, "field required; too long"),
        ({"error": "plain"}, "plain"),
        ({"message": "", "error": {"message": "inner"}}, "inner"),
        ({"type": "about:blank", "title": "Validation error", "status": 400}, "Validation error"),
        ({"error": None}, ""),
        (5, ""),
    ],
)
def test_a_reason_is_found_in_every_shape(body: Any, message: str) -> None:
    assert find_message(body) == message


@dialects
@pytest.mark.parametrize("wrong", [None, 5, "many", [], {"total_tokens": "15"}, {"total_tokens": -1, "tokens": 3}])
def test_what_is_said_beside_the_scores_may_be_wrong(dialect: Dialect, wrong: Any) -> None:
    file = golden(dialect)
    request = dialect.decode_request(file["request"])
    expected = dialect.decode_response(file["response"], request)
    if isinstance(file["response"], list):
        return  # nothing is said beside them
    odd = {name: wrong for name in file["response"] if name not in {"results", "data"}}
    found = dialect.decode_response({**file["response"], **odd, "usage": wrong, "meta": wrong}, request)
    assert found.results == expected.results
    assert found.usage == Usage()


def test_a_count_may_be_written_with_a_point() -> None:
    file = golden(DIALECTS["voyage"])
    request = DIALECTS["voyage"].decode_request(file["request"])
    body = {**file["response"], "usage": {"total_tokens": 26.0}}
    assert DIALECTS["voyage"].decode_response(body, request).usage == Usage(26)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


ODD_SCORES = {
    "huge": 10**400,
    "hugely negative": -(10**400),
    "beyond fp32": 1e39,
    "deep": nested(900),
    "long": "x" * 10_000_000,
}


@dialects
@pytest.mark.parametrize("odd", ODD_SCORES)
def test_no_score_is_too_odd_to_be_refused_in_one_line(dialect: Dialect, odd: str) -> None:
    file = golden(dialect)
    request = dialect.decode_request(file["request"])
    body = file["response"]
    rows = body if isinstance(body, list) else body.get("results", body.get("data"))
    name = "relevance_score" if "relevance_score" in rows[0] else "score"
    rows[0][name] = ODD_SCORES[odd]
    with pytest.raises(WireError, match=rf"\[0\]\.{name}: expected a") as caught:
        dialect.decode_response(body, request)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(("value", "read"), [(3, 3), (3.0, 3), (3.5, None), (True, None), ("3", None), (-1.0, None)])
def test_whole_numbers_are_those_of_json_schema(value: object, read: int | None) -> None:
    if read is not None:
        assert At(value).whole() == read
        assert isinstance(At(value).whole(), int)
        return
    with pytest.raises(WireError, match="a whole number from 0"):
        At(value).whole()
