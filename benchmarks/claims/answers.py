"""Claims about what reranking does for the generated answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.claims.retrieval import Models
from benchmarks.claims.rows import Claimed, Row, measured, not_measured
from benchmarks.progress import Progress
from benchmarks.quality.distractors import bm25_shuffled
from shortlist.build.answers import Asking, study_request
from shortlist.evaluation.answers.study import F1, FAITHFUL, IN_CONTEXT, AnswerStudy, Plan
from shortlist.evaluation.request import Request
from shortlist.evaluation.runs import write_run
from shortlist.evaluation.significance import bootstrap_interval
from shortlist.protocols import Generator

NUMBERS = (1, 3, 5, 10, 30)
FEW = 3  # passages in a prompt, where a generator is asked

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Answering:
    """Questions whose passages are looked through, and those a generator answers; it keeps its replies in `work`."""

    questions: int = 200
    answered: int = 20
    generator: Generator | None = None


def look(folder: Path, models: Models, asked: Answering, work: Path, *, seed: int) -> AnswerStudy:
    """Look for the answers in BM25's passages as they are, reranked, and in a random order."""
    shuffled = _shuffled(folder, work, seed=seed)
    systems = (
        f"first stage = bm25@{NUMBERS[-1]}",
        f"reranked = bm25@{NUMBERS[-1]} > {models.default}",
        f"shuffled = run:{shuffled}@{NUMBERS[-1]}",
    )
    return _study(folder, systems, Asking(Plan(NUMBERS, permutations=20_000, seed=seed)), asked.questions, work)


def answer(folder: Path, models: Models, asked: Answering, work: Path, *, seed: int) -> AnswerStudy:
    """Answer from the first passages of BM25, as they are and reranked."""
    systems = (f"first stage = bm25@{NUMBERS[-1]}", f"reranked = bm25@{NUMBERS[-1]} > {models.default}")
    replies = str(work / f"{folder.name}-replies.jsonl")
    asking = Asking(Plan((FEW,), permutations=20_000, seed=seed), asked.generator, replies_file=replies)
    return _study(folder, systems, asking, asked.answered, work)


def _study(folder: Path, systems: tuple[str, ...], asking: Asking, questions: int, work: Path) -> AnswerStudy:
    progress = Progress(folder.name, questions or 1, unit="questions")
    request = Request(
        systems, collection=str(folder), index=str(work / folder.name), sample=questions, seed=asking.plan.seed
    )
    return study_request(request, asking, watch=lambda done, _: progress.step())


def _shuffled(folder: Path, work: Path, *, seed: int) -> Path:
    path = work / f"{folder.name}-shuffled-{seed}.trec"
    if not path.is_file():
        write_run(path, bm25_shuffled(folder, depth=NUMBERS[-1], seed=seed))
    return path


def about_context(found: AnswerStudy) -> Iterator[Row]:
    """Yield the rows about answers in the passages: reranking against BM25, and against the same in a random order."""
    where = f"{found.collection['name']}, {found.collection['queries']} questions"
    claim = "reranking helps one passage more than thirty: answer in context"
    for name, words in {"first stage": "of BM25", "shuffled": "of BM25's in a random order"}.items():
        yield _shrinks(found, name, f"{claim}, first stage {words}", where)


def about_answers(found: AnswerStudy | None) -> Iterator[Row]:
    """Yield the rows that a generator's answers decide; `found` is None where there is no generator."""
    claims = {
        FAITHFUL: (f"reranking makes answers from {FEW} passages 10 to 20 points more faithful", Claimed(0.10, 0.20)),
        F1: (f"reranking makes answers from {FEW} passages better: token F1", Claimed(0.0)),
    }
    for measure, (claim, claimed) in claims.items():
        if found is None:
            yield not_measured(claim, "name a generator with --generator")
            continue
        where = f"{found.collection['name']}, {found.collection['queries']} questions, BM25 first stage"
        gains = _gains(found, measure, FEW)
        if len(gains) < 2:
            yield not_measured(claim, f"{where}: {len(gains)} questions were answered by both")
            continue
        how = f"{where}; {found.generator}; {len(gains)} questions answered by both"
        yield measured(claim, claimed, float(gains.mean()), bootstrap_interval(gains), unit="", how=how)


def _gains(found: AnswerStudy, measure: str, number: int, *, over: str = "first stage") -> Floats:
    """Return the differences `[queries]` of the reranked system to another one, where both have the measure."""
    before, after = (found.values(measure, name, number) for name in (over, "reranked"))
    return np.array([value - before[query_id] for query_id, value in after.items() if query_id in before])


def _shrinks(found: AnswerStudy, over: str, claim: str, where: str) -> Row:
    gains = {number: _gains(found, IN_CONTEXT, number, over=over) for number in NUMBERS}
    shrinking = gains[NUMBERS[0]] - gains[NUMBERS[-1]]
    by_number = ", ".join(f"{number}: {gain.mean():+.3f}" for number, gain in gains.items())
    how = f"gain by passages {by_number}; {where}"
    return measured(claim, Claimed(0.0), float(shrinking.mean()), bootstrap_interval(shrinking), unit="", how=how)
