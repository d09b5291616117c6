"""Pointwise: a model judges each passage by itself, and the log probabilities of its first word are the score."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from shortlist.errors import InputError
from shortlist.scorers.llm.cost import Estimate
from shortlist.scorers.llm.desk import Asking, Desk
from shortlist.scorers.llm.labels import TOP_LOGPROBS, label_candidates, label_logprobs
from shortlist.scorers.llm.method import Task
from shortlist.scorers.llm.parsing import UNREADABLE
from shortlist.scorers.llm.question import Question, Write
from shortlist.scorers.llm.setup import STOPPING, Setup, stopped
from shortlist.types import Completion, Document, Message, Query, Ranking, ScoreKind, Scores, monotonic_ms
from shortlist.types.ranking import check_top_k

_FIRST_TOKENS = 2  # some models begin with a blank or a quote


class Judge(Protocol):
    """A way to score one passage without seeing the others."""

    name: str
    kind: ScoreKind

    def scores(self, task: Task, passages: Sequence[str], desk: Asking) -> Iterator[float | None]:
        """Yield one score a passage as they come; None where the answer says nothing, or there is none."""
        ...


class YesNo:
    """log p(Yes) - log p(No) as the answer to whether the passage answers the query."""

    name = "pointwise yes/no"
    kind = ScoreKind.LOGIT

    def scores(self, task: Task, passages: Sequence[str], desk: Asking) -> Iterator[float | None]:
        """Yield one logit a passage; an answer that is not among the candidates is as likely as the least of them."""

        def written(passages: Sequence[str]) -> list[Message]:
            text = f"Passage: {passages[0]}\nQuery: {task.query_text}\n"
            return [Message("user", f"{text}Does the passage answer the query? Answer 'Yes' or 'No'")]

        return _judged(self._score, _questions(task, passages, written), desk)

    @staticmethod
    def _score(answer: Completion) -> float | None:
        found = label_logprobs(answer, ("Yes", "No"))
        if not found:
            return None
        least = min(label_candidates(answer, ("Yes", "No")).values())
        margin = found.get(0, least) - found.get(1, least)
        return margin if math.isfinite(margin) else None


class Graded:
    """The expected grade from 0 to `best`, by the probabilities of the grades (RG-S: Zhuang et al. 2023).

    "Beyond Yes and No: Improving Zero-Shot LLM Rankers via Scoring Fine-Grained Relevance Labels".
    """

    kind = ScoreKind.EXPECTED_GRADE

    def __init__(self, *, best: int = 4) -> None:
        if not 1 <= best <= 9:
            raise InputError(f"the best grade must be from 1 to 9, one digit; got {best}")
        self._grades = tuple(str(grade) for grade in range(best + 1))
        self.name = f"pointwise graded 0-{best}"

    def scores(self, task: Task, passages: Sequence[str], desk: Asking) -> Iterator[float | None]:
        """Yield one expected grade a passage."""

        def written(passages: Sequence[str]) -> list[Message]:
            asked = f"From a scale of 0 to {self._grades[-1]}, judge the relevance between the query and the document."
            return [Message("user", f"{asked}\nQuery: {task.query_text}\nDocument: {passages[0]}\nOutput:")]

        return _judged(self._score, _questions(task, passages, written), desk)

    def _score(self, answer: Completion) -> float | None:
        found = {grade: math.exp(logprob) for grade, logprob in label_logprobs(answer, self._grades).items()}
        if not sum(found.values()):  # no grade, or none with a probability that a number can hold
            return None
        return sum(grade * share for grade, share in found.items()) / sum(found.values())


class PointwiseLLM:
    """A judge as a Scorer, and as a Reranker that keeps what was scored when a cap is reached.

    A passage that was not read, whose prompt the server refuses, or about which the answer
    says nothing has no score. `rerank` puts these behind the others, in their earlier order,
    and says so. `score` raises BudgetSpentError or GenerationError where the asking ended
    early, and else gives them one below the lowest score. Equal passages are asked about once.
    """

    def __init__(self, judge: Judge, setup: Setup) -> None:
        self._judge, self._setup = judge, setup
        self.name = judge.name
        self.fingerprint = f"{judge.name}:{setup.fingerprint}"

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        """Return one fp32 score a document, `[documents]` in input order; raises BudgetSpentError, GenerationError."""
        began = monotonic_ms()
        desk = self._setup.desk()
        task = self._setup.task(query, documents)
        values: dict[str, float] = {}
        self._fill(values, task, desk)
        missing = _without(task, values)
        notes = [f"{missing} documents have no readable answer: one below the lowest score"] if missing else []
        step = self._setup.step(self.name, task, desk, began=began, most_calls=len(set(task.passages)), notes=notes)
        return Scores(_array(task.passages, values), self._judge.kind, step)

    def rerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        """Return a permutation of the candidates, or its first `top_k`; raises GenerationError."""
        check_top_k(top_k)
        began = monotonic_ms()
        desk = self._setup.desk()
        task = self._setup.task(candidates.query, candidates.documents)
        values: dict[str, float] = {}
        notes = []
        try:
            self._fill(values, task, desk)
        except STOPPING as error:
            notes.append(stopped(error, desk))
        if missing := _without(task, values):
            notes.append(f"{missing} documents have no score and stand behind the others, in their earlier order")
        step = self._setup.step(self.name, task, desk, began=began, most_calls=len(set(task.passages)), notes=notes)
        places = [place for place, passage in enumerate(task.passages) if passage in values]
        if not places:
            order = 1 / np.arange(1, len(candidates) + 1, dtype=np.float32)
            return candidates.reordered(order, kind=ScoreKind.RECIPROCAL_RANK, stage="llm", top_k=top_k, steps=(step,))
        return candidates.partly_reordered(
            [values[task.passages[place]] for place in places],
            kind=self._judge.kind,
            stage="llm",
            top_k=top_k,
            steps=(step,),
            places=places,
        )

    def estimate(self, candidates: Ranking, *, top_k: int | None = None) -> Estimate:
        """Return what reranking these candidates takes, without asking anything; `top_k` changes nothing."""
        desk = self._setup.rehearsal()
        task = self._setup.task(candidates.query, candidates.documents)
        self._fill({}, task, desk)
        return self._setup.estimate(len(set(task.passages)), desk)

    def _fill(self, values: dict[str, float], task: Task, desk: Desk) -> None:
        distinct = list(dict.fromkeys(task.passages))
        for passage, value in zip(distinct, self._judge.scores(task, distinct, desk), strict=True):
            if value is not None:
                values[passage] = value  # noqa: PERF403, what is there before an error stays
        desk.settle()


def _questions(task: Task, passages: Sequence[str], write: Write) -> Iterator[Question]:
    for passage in passages:
        yield task.question([passage], write, max_tokens=_FIRST_TOKENS, top_logprobs=TOP_LOGPROBS)


def _judged(
    score: Callable[[Completion], float | None], questions: Iterable[Question], desk: Asking
) -> Iterator[float | None]:
    for answer in desk.each(questions):
        value = score(answer)
        desk.repairs[UNREADABLE] += value is None
        yield value


def _without(task: Task, values: Mapping[str, float]) -> int:
    return sum(passage not in values for passage in task.passages)


def _array(passages: Sequence[str], values: Mapping[str, float]) -> npt.NDArray[np.float32]:
    """Return `[passages]`; those without a value are one below the lowest."""
    floor = min(values.values(), default=0.0) - 1.0
    return np.asarray([values.get(passage, floor) for passage in passages], dtype=np.float32)
