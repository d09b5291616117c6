"""Let systems answer a collection's queries, measure them, and test the differences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from shortlist.errors import InputError
from shortlist.evaluation import beyond
from shortlist.evaluation.collection import Collection
from shortlist.evaluation.measures import Measure
from shortlist.evaluation.moved import most_moved
from shortlist.evaluation.outcome import PerQuery, audit, mean, per_query
from shortlist.evaluation.provenance import provenance
from shortlist.evaluation.results import Evaluation, SystemResult
from shortlist.evaluation.runs import Run
from shortlist.evaluation.significance import Comparison, bootstrap_interval, caution, compare, corrected
from shortlist.evaluation.systems import Answer, Answered, System, answer, typical
from shortlist.evaluation.trec import by_grade
from shortlist.types import Query, Ranking

Watch = Callable[[int, int], None]  # queries done, queries in all


def evaluate(
    collection: Collection,
    systems: Sequence[System],
    measures: Sequence[Measure],
    *,
    seed: int = 0,
    permutations: int = 100_000,
    all_pairs: bool = False,
    origin: Mapping[str, Any] | None = None,
    request: Mapping[str, Any] | None = None,
    watch: Watch | None = None,
) -> Evaluation:
    """Evaluate systems on a collection; the first one is the baseline of the comparisons.

    With `all_pairs` every system is compared with every earlier one. The systems take turns
    query by query, each after one query that is not timed, so that none has the quieter
    machine. Raises InputError for fewer than one system or measure and for a measure that cannot
    be computed, both before anything is run, and whatever a stage raises.
    """
    if not systems or not measures:
        raise InputError("an evaluation needs at least one system and one measure")
    origin = origin or provenance("")  # first: it holds the load of the machine before this run
    beyond.check([measure for measure in measures if not measure.is_own], has_subtopics=bool(collection.subtopics))
    answers = answer_all(collection.queries, systems, watch)
    results = tuple(_result(system, answers[system.name], collection, measures, seed) for system in systems)
    names = tuple(map(str, measures))
    comparisons = {name: _comparisons(results, name, seed, permutations, all_pairs) for name in names}
    return Evaluation(
        request or {},
        about(collection) | {"notes": [*collection.notes, *caution(len(collection.queries))]},
        dict(origin),
        names,
        results,
        comparisons,
        most_moved(results, names[0], collection, comparisons[names[0]]),
        collection.qrels,
        seed,
    )


def answer_all(
    queries: Sequence[Query], systems: Sequence[System], watch: Watch | None = None
) -> dict[str, dict[str, Answer]]:
    """Let every system answer every query, taking turns; return the answers by system and query_id."""
    for system in systems:
        answer(system, queries[0])  # not timed: what is loaded lazily is loaded now
    found: dict[str, dict[str, Answer]] = {system.name: {} for system in systems}
    for done, query in enumerate(queries, 1):
        turn = done % len(systems)
        for system in (*systems[turn:], *systems[:turn]):
            found[system.name][query.query_id] = answer(system, query)
        if watch is not None:
            watch(done, len(queries))
    return found


def _result(
    system: System, answers: Mapping[str, Answer], collection: Collection, measures: Sequence[Measure], seed: int
) -> SystemResult:
    answered = {query_id: one.answered for query_id, one in answers.items()}
    run = Run(
        system.name,
        {query_id: one.doc_ids for query_id, one in answered.items()},
        {query_id: one.scores for query_id, one in answered.items()},
    )
    values = per_query(run, collection.qrels, measures, subtopics=collection.subtopics)
    one = typical(answers.values())
    return SystemResult(
        system.name,
        system.spec,
        answered,
        values,
        {name: _interval(found, seed) for name, found in values.items()},
        _ceiling(answered, collection, measures, system.depth),
        one.score_kind.value,
        _models(one),
        (*system.notes, *audit(run, collection.qrels).notes(), *degradations(answered)),
    )


def _interval(values: Mapping[str, float], seed: int) -> tuple[float, float]:
    return bootstrap_interval(np.array(list(values.values())), seed=seed)


def _ceiling(
    answered: Mapping[str, Answered], collection: Collection, measures: Sequence[Measure], depth: int
) -> dict[str, float]:
    """Measure the candidates by falling grade, and their recall.

    Not for subtopics, whose best order is another, nor for Judged, which is no quality.
    """
    recall = Measure("R", depth, max(measure.rel for measure in measures))
    asked = [
        measure
        for measure in dict.fromkeys((*measures, recall))
        if not measure.is_of_subtopics and measure.name != "Judged"
    ]
    best = {query_id: by_grade(one.candidates, collection.qrels[query_id]) for query_id, one in answered.items()}
    ideal: PerQuery = per_query(Run("ceiling", best), collection.qrels, asked)
    return {name: mean(found) for name, found in ideal.items()}


def _models(ranking: Ranking) -> tuple[str, ...]:
    """Name each step's model with its engine and precision, as the trace has them."""
    return tuple(
        " ".join(step.facts[name] for name in ("model", "encoder", "engine", "precision") if name in step.facts)
        for step in ranking.trace.steps
        if "model" in step.facts or "encoder" in step.facts
    )


def degradations(answered: Mapping[str, Answered]) -> tuple[str, ...]:
    """Say for each stage on how many queries something was degraded, with one example."""
    seen: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for one in answered.values():
        for stage, text in {text.partition(": ")[0]: text for text in one.degradations}.items():
            seen[stage] += 1
            examples.setdefault(stage, text)
    return tuple(f"on {count} of {len(answered)} queries {examples[stage]}" for stage, count in seen.items())


def _comparisons(
    results: Sequence[SystemResult], measure: str, seed: int, permutations: int, all_pairs: bool
) -> tuple[Comparison, ...]:
    values = {result.name: result.values[measure] for result in results}
    if any(len(found) < 2 for found in values.values()):
        return ()
    names = list(values)
    pairs = [(later, earlier) for place, later in enumerate(names) for earlier in names[:place]]
    chosen = pairs if all_pairs else [pair for pair in pairs if pair[1] == names[0]]
    return tuple(corrected([compare(*pair, values, seed=seed, permutations=permutations) for pair in chosen]))


def about(collection: Collection) -> dict[str, Any]:
    """Return what a result says of its collection, as plain JSON values."""
    judgements = sum(map(len, collection.qrels.values()))
    return {
        "name": collection.name,
        "documents": len(collection.documents),
        "queries": len(collection.queries),
        "judgements": judgements,
        "fingerprint": collection.fingerprint,
        "notes": list(collection.notes),
    }
