"""What an evaluation found: per-query values of every system, comparisons, and what moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shortlist.evaluation.outcome import PerQuery, mean
from shortlist.evaluation.significance import Comparison
from shortlist.evaluation.systems import Answered


@dataclass(frozen=True, slots=True)
class SystemResult:
    """One system's figures.

    `ceiling` is each measure's mean if the first stage's candidates stood in the best
    possible order: no reranker of them can do better. `intervals` are 95 % bootstrap
    intervals of the means. `models` names what ran, as the trace does. `notes` say in
    words what was unjudged, missing, cut or degraded.
    """

    name: str
    spec: str
    answers: Mapping[str, Answered]
    values: PerQuery
    intervals: Mapping[str, tuple[float, float]]
    ceiling: Mapping[str, float]
    score_kind: str
    models: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def mean(self, measure: str) -> float:
        """Return a measure's mean over the queries."""
        return mean(self.values[measure])

    def latency_ms(self, percent: float) -> float:
        """Return a percentile of the latency of a query, first stage included."""
        return float(np.percentile([answer.latency_ms for answer in self.answers.values()], percent))

    @property
    def tokens(self) -> float:
        """Tokens that the rerankers read for a query, on average."""
        return mean([float(answer.tokens) for answer in self.answers.values()])

    @property
    def pairs(self) -> float:
        """Documents that the rerankers scored for a query, on average; a cascade counts each stage."""
        return mean([float(answer.pairs) for answer in self.answers.values()])

    @property
    def cost_of_1000(self) -> float:
        """What 1000 queries cost, in the unit of the prices; 0 without prices."""
        return 1000 * mean([answer.cost for answer in self.answers.values()])


@dataclass(frozen=True, slots=True)
class Passage:
    """A document as a report shows it: beginning of the text, relevance (None: unjudged), ranks at both systems."""

    doc_id: str
    text: str
    relevance: int | None
    rank: int
    other_rank: int | None


@dataclass(frozen=True, slots=True)
class Moved:
    """A query on which two systems differ much, with the first passages of either."""

    query_id: str
    query: str
    system: str
    baseline: str
    difference: float
    passages: tuple[Passage, ...]
    baseline_passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All of it: what was asked, where and with what it ran, and what came out.

    `request` holds plain JSON values from which the same can be run again. `comparisons`
    is by measure; `moved` is about the first measure. `relevance` is the qrels.
    """

    request: Mapping[str, Any]
    collection: Mapping[str, Any]
    provenance: dict[str, Any]
    measures: tuple[str, ...]
    systems: tuple[SystemResult, ...]
    comparisons: Mapping[str, tuple[Comparison, ...]]
    moved: tuple[Moved, ...] = ()
    relevance: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    seed: int = 0
