"""Counters, gauges and histograms in Prometheus' format."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from shortlist.server.models.asked import Load
from shortlist.server.notes import Notes

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 1, 2, 4)

_SUMS: Mapping[str, tuple[str, Callable[[Notes], float]]] = {
    "cached_pairs": ("Pairs whose score was known.", lambda notes: notes.cached),
    "shared_pairs": ("Pairs scored for several requests.", lambda notes: notes.shared),
    "truncations": ("Texts that were not read to the end.", lambda notes: notes.truncated),
    "partials": ("Answers with unscored documents.", lambda notes: notes.unscored > 0),
    "fallbacks": ("Answers of another model or of none.", lambda notes: notes.fallback),
    "degraded": ("Answers with any degradation.", lambda notes: bool(notes.degradations)),
}


class Metrics:
    """All of a server's numbers; `loads` gives every loaded model's load when they are read."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter("shortlist_requests", "Answers.", ["dialect", "status"], registry=registry)
        self._seconds = Histogram(
            "shortlist_request_seconds", "From request to answer.", ["dialect"], buckets=_SECONDS, registry=registry
        )
        self._stages = Histogram(
            "shortlist_stage_seconds", "Latency of a stage.", ["stage"], buckets=_SECONDS, registry=registry
        )
        self._faults = Counter("shortlist_faults", "Requests without scores.", ["fault"], registry=registry)
        self._documents = Counter("shortlist_documents", "Documents asked for.", ["model"], registry=registry)
        self._tokens = Counter("shortlist_tokens", "Tokens of all pairs asked for.", ["model"], registry=registry)
        self._sums = [
            (Counter(f"shortlist_{name}", what, registry=registry), count) for name, (what, count) in _SUMS.items()
        ]
        self._fill = Histogram(
            "shortlist_batch_fill", "Tokens of a batch over its budget.", ["model"], buckets=_SHARES, registry=registry
        )
        self._batches = Histogram(
            "shortlist_batch_seconds", "Latency of a batch.", ["model"], buckets=_SECONDS, registry=registry
        )
        self._waiting = Gauge("shortlist_queue_pairs", "Pairs not scored yet.", ["model"], registry=registry)
        self._backlog = Gauge("shortlist_queue_tokens", "Tokens not read yet.", ["model"], registry=registry)
        self._pace = Gauge("shortlist_tokens_per_second", "As learned of late.", ["model"], registry=registry)
        self.loads: Callable[[], Mapping[str, Load]] = dict

    def count(self, notes: Notes, *, seconds: float) -> None:
        """Take in an answer."""
        self._requests.labels(notes.dialect, str(notes.status)).inc()
        self._seconds.labels(notes.dialect).observe(seconds)
        for stage, ms in notes.stages.items():
            self._stages.labels(stage).observe(ms / 1000)
        if notes.fault:
            self._faults.labels(notes.fault).inc()
        if notes.documents:
            self._documents.labels(notes.model).inc(notes.documents)
            self._tokens.labels(notes.model).inc(notes.tokens)
        for counter, count in self._sums:
            counter.inc(count(notes))

    def count_batch(self, model: str, *, fill: float, seconds: float) -> None:
        """Take in a batch."""
        self._fill.labels(model).observe(fill)
        self._batches.labels(model).observe(seconds)

    def text(self) -> bytes:
        """Return everything in the text format."""
        for gauge in (self._waiting, self._backlog, self._pace):
            gauge.clear()  # of models that were put away
        for model, load in self.loads().items():
            self._waiting.labels(model).set(load.pairs)
            self._backlog.labels(model).set(load.tokens)
            self._pace.labels(model).set(load.tokens_per_s)
        return generate_latest(self._registry)
