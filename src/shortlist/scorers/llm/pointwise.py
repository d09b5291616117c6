"""Pointwise: a model judges each passage by itself, and the log probabilities of its first word are the score."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from shortlist.errors import BudgetSpentError, InputError
from shortlist.scorers.llm.cost import Estimate
from shortlist.scorers.llm.desk import Asking, Desk
from shortlist.scorers.llm.fence import warned
from shortlist.scorers.llm.labels import TOP_LOGPROBS, label_logprobs
from shortlist.scorers.llm.method import Task
from shortlist.scorers.llm.parsing import UNREADABLE
from shortlist.scorers.llm.setup import STOPPING, Setup, stopped
from shortlist.types import Completion, Document, Message, Prompt, Query, Ranking, ScoreKind, Scores

_AT_ONCE = 8
_FIRST_TOKENS = 2  # some models begin with a blank or a quote


class Judge(Protocol):
    """A way to score one passage."""

    name: str
    kind: ScoreKind

    def scores(self, task: Task, passages: Sequence[str], desk: Asking) -> list[float]:
        """Return one score a passage."""
        ...


class YesNo:
    """log p(Yes) - log p(No) as the answer to whether the passage answers the query."""

    name = "pointwise yes/no"
    kind = ScoreKind.LOGIT

    def scores(self, task: Task, passages: Sequence[str], desk: Asking) -> list[float]:
        """Return one logit a passage; an answer that is not among the candidates is as likely as the least of them."""
        texts = [
            f"Passage: {passage}\nQuery: {task.query_text}\nDoes the passage answer the query? Answer 'Yes' or 'No'"
            for passage in passages
        ]
        return [self._score(answer, desk) for answer in desk.ask([_question(text, task) for text in texts])]

    @staticmethod
    def _score(answer: Completion, desk: Asking) -> float:
        found = label_logprobs(answer, ("Yes", "No"))
        if not found:
            desk.repairs[UNREADABLE] += 1
            return 0.0
        least = min(min(token.candidates.values()) for token in answer.logprobs)
        return found.get(0, least) - found.get(1, least)


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

    def scores(self, task: Task, passages: Sequence[str], desk: Asking) -> list[float]:
        """Return one expected grade a passage."""
        texts = [
            f"From a scale of 0 to {self._grades[-1]}, judge the relevance between the query and the document.\n"
            f"Query: {task.query_text}\nDocument: {passage}\nOutput:"
            for passage in passages
        ]
        return [self._score(answer, desk) for answer in desk.ask([_question(text, task) for text in texts])]

    def _score(self, answer: Completion, desk: Asking) -> float:
        found = {grade: math.exp(logprob) for grade, logprob in label_logprobs(answer, self._grades).items()}
        if not found:
            desk.repairs[UNREADABLE] += 1
            return 0.0
        return sum(grade * share for grade, share in found.items()) / sum(found.values())


class PointwiseLLM:
    """A judge as a Scorer, and as a Reranker that keeps what was scored when a cap is reached.

    `score` raises BudgetSpentError at a cap: a score for a passage that was not read would
    be invented. `rerank` puts those that were not read behind the others, in their earlier
    order, and says so. Equal passages are asked about once.
    """

    def __init__(self, judge: Judge, setup: Setup) -> None:
        self._judge, self._setup = judge, setup
        self.name = judge.name
        self.fingerprint = f"{judge.name}:{setup.fingerprint}"

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        """Return one fp32 score a document, `[documents]` in input order; raises BudgetSpentError, GenerationError."""
        began = time.perf_counter()
        desk = self._setup.desk()
        task, cut = self._setup.task(query, documents)
        values = dict[str, float]()
        for passages in _batches(task.passages):
            values |= zip(passages, self._judge.scores(task, passages, desk), strict=True)
        step = self._setup.step(self.name, task, desk, began=began, most_calls=len(values), cut=cut)
        return Scores(_array(task.passages, values), self._judge.kind, step)

    def rerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        """Return a permutation of the candidates, or its first `top_k`; raises GenerationError."""
        began = time.perf_counter()
        desk = self._setup.desk()
        task, cut = self._setup.task(candidates.query, candidates.documents)
        values, notes = self._values(task, desk)
        step = self._setup.step(
            self.name, task, desk, began=began, most_calls=len(set(task.passages)), cut=cut, notes=notes
        )
        return candidates.reordered(
            _array(task.passages, values), kind=self._judge.kind, stage="llm", top_k=top_k, steps=(step,)
        )

    def estimate(self, candidates: Ranking, *, top_k: int | None = None) -> Estimate:
        """Return what reranking these candidates takes, without asking anything; `top_k` changes nothing."""
        desk = self._setup.rehearsal()
        task, _ = self._setup.task(candidates.query, candidates.documents)
        distinct = list(dict.fromkeys(task.passages))
        if distinct:
            self._judge.scores(task, distinct, desk)
        return self._setup.estimate(len(distinct), desk)

    def _values(self, task: Task, desk: Desk) -> tuple[dict[str, float], list[str]]:
        values: dict[str, float] = {}
        try:
            for passages in _batches(task.passages):
                self._add(values, task, passages, desk)
        except STOPPING as error:
            missing = sum(passage not in values for passage in task.passages)
            return values, [f"{stopped(error, desk)}; {missing} documents were not read and stand behind the others"]
        return values, []

    def _add(self, values: dict[str, float], task: Task, passages: Sequence[str], desk: Desk) -> None:
        try:
            values |= zip(passages, self._judge.scores(task, passages, desk), strict=True)
        except BudgetSpentError:  # there is not enough left for all of them, but maybe for some
            for passage in passages:
                values[passage] = self._judge.scores(task, [passage], desk)[0]


def _question(text: str, task: Task) -> Prompt:
    message = Message("user", text)
    return Prompt(warned([message]) if task.fenced else (message,), max_tokens=_FIRST_TOKENS, top_logprobs=TOP_LOGPROBS)


def _batches(passages: Sequence[str]) -> list[list[str]]:
    distinct = list(dict.fromkeys(passages))
    return [distinct[start : start + _AT_ONCE] for start in range(0, len(distinct), _AT_ONCE)]


def _array(passages: Sequence[str], values: dict[str, float]) -> npt.NDArray[np.float32]:
    """Return `[passages]`; those without a value are one below the lowest."""
    floor = min(values.values(), default=0.0) - 1.0
    return np.asarray([values.get(passage, floor) for passage in passages], dtype=np.float32)
