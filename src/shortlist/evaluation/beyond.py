"""Measures that shortlist does not compute itself, through ir_measures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from subprocess import CalledProcessError
from typing import Any

from shortlist._optional import require
from shortlist.errors import InputError
from shortlist.evaluation.measures import OWN, Measure
from shortlist.evaluation.qrels import Qrels, Subtopics
from shortlist.evaluation.runs import Run


def check(measures: Sequence[Measure], *, has_subtopics: bool) -> None:
    """Compute measures of two documents; raises what `per_query` would raise after everything else was done."""
    subtopics: Subtopics = {"q": {"a": {"1": 1}, "b": {"2": 1}}} if has_subtopics else {}
    per_query(Run("two documents", {"q": ("a", "b")}), {"q": {"a": 1, "b": 0}}, measures, subtopics)


def per_query(run: Run, qrels: Qrels, measures: Sequence[Measure], subtopics: Subtopics) -> dict[str, dict[str, float]]:
    """Return measure to query_id to value; a query without a ranking counts 0.

    Documents get falling scores, since some of ir_measures' providers break ties by doc_id, and
    queries their numbers, since gdeval takes no other ids.
    Raises MissingExtraError without ir_measures, InputError for a measure it does not know
    or cannot compute here, and for one of subtopics without judgements by subtopic.
    """
    if not measures:
        return {}
    library = require("ir_measures", extra="eval")
    names = {str(number): query_id for number, query_id in enumerate(qrels, 1)}
    ranked = {number: run.doc_ids.get(query_id, ()) for number, query_id in names.items()}
    falling = {
        number: {doc_id: float(len(doc_ids) - place) for place, doc_id in enumerate(doc_ids)}
        for number, doc_ids in ranked.items()
        if doc_ids
    }
    values = {str(measure): dict.fromkeys(qrels, 0.0) for measure in measures}
    # one by one: of several settings of one measure, ir_measures' pyndeval gives 0 for all but one
    for measure in measures:
        judgements = (
            _by_subtopic(library, measure, names, subtopics)
            if measure.is_of_subtopics
            else {number: qrels[query_id] for number, query_id in names.items()}
        )
        for metric in _calculated(library, measure, judgements, falling):
            values[str(measure)][names[metric.query_id]] = float(metric.value)
    return values


def _calculated(
    library: Any, measure: Measure, judgements: Any, scores: Mapping[str, Mapping[str, float]]
) -> list[Any]:
    asked = _asked(library, measure)
    try:
        return list(library.iter_calc([asked], judgements, scores))
    except (ValueError, RuntimeError, AssertionError, CalledProcessError, OSError) as error:
        why = re.sub("=<object object at [^>]*>", " (not given)", str(error))  # how ir_measures shows a missing setting
        raise InputError(f"ir_measures cannot compute {measure} here: {why}") from error


def _by_subtopic(library: Any, measure: Measure, names: Mapping[str, str], subtopics: Subtopics) -> list[Any]:
    """Return the judgements of the named queries as ir_measures takes them, the subtopic as their iteration."""
    if not subtopics:
        raise InputError(
            f"{measure} needs judgements by subtopic, which these qrels do not hold: the second column of a TREC file"
            " (or 'subtopic' in JSONL) must name them, as in the qrels of TREC's diversity tasks"
        )
    require("pyndeval", extra="eval")
    return [
        library.Qrel(number, doc_id, grade, subtopic)
        for number, query_id in names.items()
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
