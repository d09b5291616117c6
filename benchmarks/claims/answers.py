"""Claims about what reranking does for the generated answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.claims.retrieval import Models, Sizes
from benchmarks.claims.rows import Claimed, Row, measured, not_measured
from benchmarks.progress import Progress
from shortlist.build.answers import Asking, study_request
from shortlist.evaluation.answers.study import F1, FAITHFUL, IN_CONTEXT, AnswerStudy, Plan
from shortlist.evaluation.request import Request
from shortlist.evaluation.significance import bootstrap_interval
from shortlist.protocols import Generator

NUMBERS = (1, 3, 5, 10, 30)

Floats = npt.NDArray[np.float64]


def study(folder: Path, models: Models, sizes: Sizes, generator: Generator | None, work: Path) -> AnswerStudy:
    """Answer a collection's questions from BM25's passages, as they are and reranked."""
    progress = Progress(folder.name, sizes.queries or 1, unit="questions")
    systems = (f"first stage = bm25@{NUMBERS[-1]}", f"reranked = bm25@{NUMBERS[-1]} > {models.default}")
    request = Request(
        systems, collection=str(folder), index=str(work / folder.name), sample=sizes.queries, seed=sizes.seed
    )
    asking = Asking(Plan(NUMBERS, permutations=20_000, seed=sizes.seed), generator)
    return study_request(request, asking, watch=lambda done, _: progress.step())


def about_answers(found: AnswerStudy) -> Iterator[Row]:
    """Yield the rows that a study decides."""
    where = f"{found.collection['name']}, {found.collection['queries']} questions, BM25 first stage"
    yield _shrinks(found, IN_CONTEXT, "reranking helps one passage more than thirty: answer in context", where)
    claims = {
        FAITHFUL: ("reranking makes answers 10 to 20 points more faithful at 3 passages", Claimed(0.10, 0.20)),
        F1: ("reranking makes the answers from 3 passages better: token F1", Claimed(0.0)),
    }
    for measure, (claim, claimed) in claims.items():
        if measure not in found.measures:
            yield not_measured(claim, "name a generator with --generator")
            continue
        gains = _gains(found, measure, 3)
        if len(gains) < 2:
            yield not_measured(claim, f"{where}: {len(gains)} questions were answered by both")
            continue
        how = f"{where}; {found.generator}; {len(gains)} questions answered by both"
        yield measured(claim, claimed, float(gains.mean()), bootstrap_interval(gains), unit="", how=how)


def _gains(found: AnswerStudy, measure: str, number: int) -> Floats:
    """Return the differences `[queries]` of the reranked system to the first, where both have the measure."""
    before, after = (found.values(measure, name, number) for name in found.systems)
    return np.array([value - before[query_id] for query_id, value in after.items() if query_id in before])


def _shrinks(found: AnswerStudy, measure: str, claim: str, where: str) -> Row:
    few, many = _gains(found, measure, NUMBERS[0]), _gains(found, measure, NUMBERS[-1])
    by_number = ", ".join(f"{number}: {_gains(found, measure, number).mean():+.3f}" for number in NUMBERS)
    shrinking = few - many
    how = f"gain by passages {by_number}; {where}"
    return measured(claim, Claimed(0.0), float(shrinking.mean()), bootstrap_interval(shrinking), unit="", how=how)
