"""Measures that shortlist does not compute itself, through ir_measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shortlist._optional import require
from shortlist.errors import InputError
from shortlist.evaluation.measures import OWN, Measure
from shortlist.evaluation.qrels import Qrels, Subtopics
from shortlist.evaluation.runs import Run


def per_query(run: Run, qrels: Qrels, measures: Sequence[Measure], subtopics: Subtopics) -> dict[str, dict[str, float]]:
    """Return measure to query_id to value; a query without a ranking counts 0.

    Documents get falling scores, since some of ir_measures' providers break ties by doc_id.
    Raises MissingExtraError without ir_measures, InputError for a measure it does not know
    or cannot compute here, and for one of subtopics without judgements by subtopic.
    """
    library = require("ir_measures", extra="eval")
    falling = {
        query_id: {doc_id: float(len(doc_ids) - place) for place, doc_id in enumerate(doc_ids)}
        for query_id, doc_ids in run.doc_ids.items()
        if doc_ids and query_id in qrels
    }
    values = {str(measure): dict.fromkeys(qrels, 0.0) for measure in measures}
    for (
        measure
    ) in measures:  # one by one: of several settings of one measure, ir_measures' pyndeval gives 0 for all but one
        judgements = _by_subtopic(library, measure, qrels, subtopics) if measure.is_of_subtopics else qrels
        for metric in _calculated(library, measure, judgements, falling):
            values[str(measure)][metric.query_id] = float(metric.value)
    return values


def _calculated(
    library: Any, measure: Measure, judgements: Any, scores: Mapping[str, Mapping[str, float]]
) -> list[Any]:
    try:
        return list(library.iter_calc([_asked(library, measure)], judgements, scores))
    except (ValueError, RuntimeError) as error:
        raise InputError(f"ir_measures cannot compute {measure} here: {error}") from error


def _by_subtopic(library: Any, measure: Measure, qrels: Qrels, subtopics: Subtopics) -> list[Any]:
    """Return the judgements of the qrels' queries as ir_measures takes them, the subtopic as their iteration."""
    if not subtopics:
        raise InputError(
            f"{measure} needs judgements by subtopic, which these qrels do not hold: the second column of a TREC file"
            " (or 'subtopic' in JSONL) must name them, as in the qrels of TREC's diversity tasks"
        )
    require("pyndeval", extra="eval")
    return [
        library.Qrel(query_id, doc_id, grade, subtopic)
        for query_id in qrels
        for doc_id, grades in subtopics.get(query_id, {}).items()
        for subtopic, grade in grades.items()
    ]


def _asked(library: Any, measure: Measure) -> Any:
    try:
        return library.parse_measure(str(measure))
    except (NameError, ValueError, TypeError, AttributeError, AssertionError, SyntaxError, KeyError) as error:
        raise InputError(
            f"neither shortlist ({', '.join(OWN)}) nor ir_measures knows the measure {str(measure)!r}: {error}"
        ) from error
