"""OpenTelemetry spans of requests and their stages, where it is installed and asked for."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from shortlist._optional import require
from shortlist.server.notes import Notes


class Tracing:
    """One span a request, with a child for each stage; the caller's `traceparent` is its parent.

    Which exporter gets them is OpenTelemetry's own configuration (`opentelemetry-instrument`,
    OTEL_EXPORTER_OTLP_ENDPOINT). Without `tracer` nothing happens.
    """

    def __init__(self, tracer: Any = None) -> None:
        self._tracer = tracer

    @classmethod
    def of_installed(cls, *, is_wanted: bool) -> Tracing:
        """Use the configured provider. Raises MissingExtraError when it is wanted and not installed."""
        return cls(require("opentelemetry.trace", extra="otel").get_tracer("shortlist") if is_wanted else None)

    @contextmanager
    def request(self, method: str, path: str, headers: Mapping[str, str], notes: Notes) -> Iterator[None]:
        """Span a request; what its notes say in the end becomes attributes, never a text of it."""
        if self._tracer is None:
            yield
            return
        parent = require("opentelemetry.propagate", extra="otel").extract(dict(headers))
        kind = require("opentelemetry.trace", extra="otel").SpanKind.SERVER
        began_ns = time.time_ns()
        with self._tracer.start_as_current_span(f"{method} {path}", context=parent, kind=kind) as span:
            yield
            span.set_attributes(
                {
                    "http.response.status_code": notes.status,
                    "shortlist.request_id": notes.request_id,
                    "shortlist.dialect": notes.dialect,
                    "shortlist.model": notes.model,
                    "shortlist.documents": notes.documents,
                    "shortlist.tokens": notes.tokens,
                    "shortlist.unscored": notes.unscored,
                    "shortlist.degradations": list(notes.degradations),
                    "shortlist.fault": notes.fault,
                }
            )
            if notes.status >= 500:
                span.set_status(require("opentelemetry.trace", extra="otel").StatusCode.ERROR)
            self._stages(notes, began_ns)

    def _stages(self, notes: Notes, began_ns: int) -> None:
        """Stages follow one another, so each begins where the one before it ended."""
        for stage, ms in notes.stages.items():
            span = self._tracer.start_span(stage, start_time=began_ns)
            began_ns += round(ms * 1e6)
            span.end(end_time=began_ns)
