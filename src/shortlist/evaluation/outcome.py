"""A run's measures query by query, with what was unjudged, tied or missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shortlist.errors import InputError
from shortlist.evaluation import beyond
from shortlist.evaluation.measures import Measure
from shortlist.evaluation.qrels import Qrels, Subtopics
from shortlist.evaluation.runs import Run
from shortlist.evaluation.trec import measured

PerQuery = dict[str, dict[str, float]]  # measure -> query_id -> value


@dataclass(frozen=True, slots=True)
class Audit:
    """How well run and qrels fit: counts of queries, the judged share of each query's first ten, and ties.

    `missing` queries have judgements and no ranking: they count 0, as with `trec_eval -c`.
    `unjudged` ones have a ranking and no judgements: they are left out, as in trec_eval.
    `judged_at_10` is the mean share of judged documents among the first ten; unjudged
    documents count as not relevant.
    """

    queries: int
    missing: tuple[str, ...]
    unjudged: tuple[str, ...]
    judged_at_10: float
    ties: int

    def notes(self) -> tuple[str, ...]:
        """Say in words what a reader of the figures should know."""
        notes = []
        if self.missing:
            notes.append(f"{len(self.missing)} of {self.queries} queries found nothing and count 0 ({self.missing[0]})")
        if self.unjudged:
            notes.append(
                f"{len(self.unjudged)} ranked queries have no judgements and are left out ({self.unjudged[0]})"
            )
        if self.judged_at_10 < 1 and len(self.missing) < self.queries:
            notes.append(f"{1 - self.judged_at_10:.1%} of the first ten are unjudged and count as not relevant")
        if self.ties:
            notes.append(f"{self.ties} documents tie with the one before them")
        return tuple(notes)


def per_query(run: Run, qrels: Qrels, measures: Sequence[Measure], *, subtopics: Subtopics | None = None) -> PerQuery:
    """Return each measure of every query of the qrels; a query without a ranking counts 0.

    The run's order is measured as it is. Raises InputError when run and qrels share no query,
    and for a measure of subtopics (alpha_nDCG) without `subtopics`.
    """
    check_overlap(run, qrels)
    foreign = beyond.per_query(run, qrels, [one for one in measures if not one.is_own], subtopics or {})
    return {
        str(measure): {q: measured(measure, run.doc_ids.get(q, ()), judged) for q, judged in qrels.items()}
        if measure.is_own
        else foreign[str(measure)]
        for measure in measures
    }


def audit(run: Run, qrels: Qrels) -> Audit:
    """Compare a run with the qrels it is measured by."""
    answered = {query_id: doc_ids for query_id, doc_ids in run.doc_ids.items() if doc_ids}
    shares = [measured(_JUDGED, answered[q], judged) for q, judged in qrels.items() if q in answered]
    return Audit(
        len(qrels),
        tuple(query_id for query_id in qrels if query_id not in answered),
        tuple(query_id for query_id in answered if query_id not in qrels),
        mean(shares) if shares else 0.0,
        run.ties,
    )


def check_overlap(run: Run, qrels: Qrels) -> None:
    """Raise InputError when no query of the run has judgements."""
    if not run.doc_ids.keys() & qrels.keys():
        ours, theirs = next(iter(run.doc_ids), "none at all"), next(iter(qrels), "none at all")
        raise InputError(
            f"{run.source} and the qrels share no query (query_ids such as {ours!r} against {theirs!r});"
            " they belong to different collections or splits: name those that belong together"
        )


def mean(values: Sequence[float] | Mapping[str, float]) -> float:
    """Return the mean of values, or of a mapping's values; of none it is 0."""
    numbers = list(values.values()) if isinstance(values, Mapping) else values
    return sum(numbers) / len(numbers) if numbers else 0.0


_JUDGED = Measure("Judged", 10)
