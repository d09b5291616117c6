"""What is written down about one request, for its headers, its log line and the metrics; never a text of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from shortlist.types import Ranking, Step, Trace


@dataclass(slots=True)
class Notes:
    """A request's facts, filled in as they become known; `hidden` are addresses that clients do not learn."""

    request_id: str
    hidden: tuple[str, ...] = ()
    client: str = ""
    key: str = ""
    dialect: str = "-"
    model: str = ""
    documents: int = 0
    tokens: int = 0
    cached: int = 0
    shared: int = 0
    truncated: int = 0
    unscored: int = 0
    fallback: bool = False
    failed: list[str] = field(default_factory=list)
    fault: str = ""
    status: int = 500
    degradations: list[str] = field(default_factory=list)
    stages: dict[str, float] = field(default_factory=dict)

    def take(self, ranking: Ranking) -> Ranking:
        """Take in what a ranking's trace says, and return the ranking as clients may see it.

        Degradations that name an address which they do not learn are logged, as failures are.
        """
        shown = ranking
        if self.hidden:
            shown = replace(ranking, trace=Trace(tuple(map(self._shown, ranking.trace.steps))))
        self.unscored = ranking.unscored
        self.degradations += shown.trace.degradations
        for step, bare in zip(ranking.trace.steps, shown.trace.steps, strict=True):
            self.stages[step.stage] = self.stages.get(step.stage, 0.0) + step.latency_ms
            self.tokens += step.tokens
            self.cached += step.counts.get("cached", 0)
            self.shared += step.counts.get("shared", 0)
            self.truncated += len(step.truncations)
            self.fallback = self.fallback or step.stage == "fallback"
            if step.stage == "fallback" or bare.degradations != step.degradations:
                self.failed += step.degradations
        return shown

    def _shown(self, step: Step) -> Step:
        facts = {name: self._without_hidden(text) for name, text in step.facts.items()}
        return replace(step, facts=facts, degradations=tuple(map(self._without_hidden, step.degradations)))

    def _without_hidden(self, text: str) -> str:
        for address in self.hidden:
            text = text.replace(address, "its server")
        return text

    def headers(self, total_ms: float) -> dict[str, str]:
        """Return what every answer says about itself."""
        timings = [f"{_token(name)};dur={ms:.1f}" for name, ms in self.stages.items()]
        headers = {"X-Request-Id": self.request_id, "Server-Timing": ", ".join([*timings, f"total;dur={total_ms:.1f}"])}
        if self.model:
            headers["X-Shortlist-Model"] = _ascii(self.model)
        if self.degradations:
            headers["X-Shortlist-Degraded"] = _ascii("; ".join(self.degradations))
        return headers


def _token(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") or "stage"


def _ascii(text: str) -> str:
    """One line of printable ASCII, as a header can hold."""
    shown = "".join(letter if " " <= letter <= "~" else "?" for letter in text)
    return shown if len(shown) <= 500 else shown[:497] + "..."
