"""Measures that shortlist does not compute itself, through ir_measures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shortlist._optional import require
from shortlist.errors import InputError
from shortlist.evaluation.measures import OWN, Measure
from shortlist.evaluation.qrels import Qrels
from shortlist.evaluation.runs import Run


def per_query(run: Run, qrels: Qrels, measures: Sequence[Measure]) -> dict[str, dict[str, float]]:
    """Return measure to query_id to value; a query without a ranking counts 0.

    Documents get falling scores, since some of ir_measures' providers break ties by doc_id.
    Raises MissingExtraError without ir_measures, InputError for a measure it does not know
    or cannot compute here.
    """
    library = require("ir_measures", extra="eval")
    asked = {_asked(library, measure): str(measure) for measure in measures}
    values = {name: dict.fromkeys(qrels, 0.0) for name in asked.values()}
    falling = {
        query_id: {doc_id: float(len(doc_ids) - place) for place, doc_id in enumerate(doc_ids)}
        for query_id, doc_ids in run.doc_ids.items()
        if doc_ids and query_id in qrels
    }
    try:
        for metric in library.iter_calc(list(asked), qrels, falling):
            values[asked[metric.measure]][metric.query_id] = float(metric.value)
    except ValueError as error:
        raise InputError(f"ir_measures cannot compute {', '.join(values)} here: {error}") from error
    return values


# what ir_measures computes from judgements by subtopic (pyndeval)
_BY_SUBTOPIC = {"alpha_nDCG", "alpha_DCG", "ERR_IA", "nERR_IA", "NRBP", "nNRBP", "AP_IA", "P_IA", "StRecall"}


def _asked(library: Any, measure: Measure) -> Any:
    if measure.name in _BY_SUBTOPIC:
        raise InputError(
            f"{measure} needs judgements by subtopic, which these qrels do not hold;"
            " write the runs with --runs and measure them with ir_measures and the qrels of the diversity task"
        )
    try:
        return library.parse_measure(str(measure))
    except (NameError, ValueError, TypeError, AttributeError, AssertionError, SyntaxError, KeyError) as error:
        raise InputError(
            f"neither shortlist ({', '.join(OWN)}) nor ir_measures knows the measure {str(measure)!r}: {error}"
        ) from error
