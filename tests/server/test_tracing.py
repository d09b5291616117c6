"""Spans as OpenTelemetry's own SDK collects them."""

from __future__ import annotations

from typing import Any

import pytest

from server.running import running, state_with
from shortlist.server.tracing import Tracing

pytest.importorskip("opentelemetry.sdk", exc_type=ImportError)

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
BODY = {"query": "tall secret", "documents": ["iron secret", "x"]}


@pytest.fixture
def collected() -> tuple[Tracing, Any]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Tracing(provider.get_tracer("shortlist")), exporter


def test_a_request_is_a_span_of_its_callers_trace_with_a_child_for_each_stage(collected: tuple[Tracing, Any]) -> None:
    tracing, exporter = collected
    with running(state_with(), tracing=tracing) as server:
        server.ask("/jina/v1/rerank", BODY, headers={"traceparent": PARENT})
    spans = {span.name: span for span in exporter.get_finished_spans()}
    request = spans["POST /jina/v1/rerank"]
    assert f"{request.context.trace_id:032x}" == PARENT.split("-")[1]
    assert f"{request.parent.span_id:016x}" == PARENT.split("-")[2]
    assert request.attributes["shortlist.documents"] == 2
    assert request.attributes["shortlist.dialect"] == "jina"
    assert request.attributes["http.response.status_code"] == 200
    assert {"queue", "overlap"} <= set(spans)
    for stage in ("queue", "overlap"):
        assert spans[stage].parent.span_id == request.context.span_id
        assert spans[stage].start_time <= spans[stage].end_time
    assert "secret" not in "".join(span.to_json() for span in spans.values())


def test_a_request_that_fails_is_marked_as_failed(collected: tuple[Tracing, Any]) -> None:
    tracing, exporter = collected
    with running(state_with(), tracing=tracing) as server:
        assert server.ask("/jina/v1/rerank", {**BODY, "documents": ["POISON"]}).status == 500
        assert server.ask("/jina/v1/rerank", {}).status == 422
    failed, refused = exporter.get_finished_spans()
    assert failed.status.status_code.name == "ERROR"
    assert failed.attributes["shortlist.fault"] == "internal"
    assert refused.status.status_code.name == "UNSET", "the client's mistakes are no errors of a server's span"
    assert refused.attributes["http.response.status_code"] == 422
