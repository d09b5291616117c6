"""Answers with and without reranking, at several numbers of passages, measured and tested."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from shortlist.errors import InputError, PromptTooLongError
from shortlist.evaluation.answers.asking import ask, is_abstention, read_answer, shown
from shortlist.evaluation.answers.desk import Asked, Desk
from shortlist.evaluation.answers.faithfulness import faithfulness
from shortlist.evaluation.answers.squad import contains, exact_match, token_f1
from shortlist.evaluation.outcome import mean
from shortlist.evaluation.provenance import provenance
from shortlist.evaluation.significance import Comparison, bootstrap_interval, compare, corrected
from shortlist.evaluation.systems import System, answer
from shortlist.generation.support import Judge
from shortlist.generators.reasoning import short_answer
from shortlist.types import Document, Query

IN_CONTEXT, EXACT, F1, ANSWERED, FAITHFUL = "answer in context", "exact match", "token F1", "answered", "faithfulness"

Watch = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of one question with the first `passages` of a system.

    `values` holds each measure that applies: faithfulness only where there was an answer and
    a judge. `left_out` passages did not fit into the words that are allowed, or into the
    generator's context; every measure is of the passages that were shown. `is_remembered` says
    that it was given in an earlier run and read from its file, with its latency.
    """

    system: str
    passages: int
    query_id: str
    text: str
    values: Mapping[str, float]
    prompt_tokens: int = 0
    latency_ms: float = 0.0
    left_out: int = 0
    is_remembered: bool = False


@dataclass(frozen=True, slots=True)
class AnswerStudy:
    """Every reply, and for each measure and number of passages the systems against the first one."""

    request: Mapping[str, Any]
    collection: Mapping[str, Any]
    provenance: Mapping[str, Any]
    generator: str
    judge: str
    systems: tuple[str, ...]
    numbers: tuple[int, ...]
    replies: tuple[Reply, ...]
    comparisons: Mapping[str, Mapping[int, tuple[Comparison, ...]]]
    seed: int = 0

    def values(self, measure: str, system: str, number: int) -> dict[str, float]:
        """Return a measure's values by query_id; queries to which it does not apply are left out."""
        return {
            reply.query_id: reply.values[measure]
            for reply in self.replies
            if reply.system == system and reply.passages == number and measure in reply.values
        }

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures that were computed."""
        found = {name for reply in self.replies for name in reply.values}
        return tuple(name for name in (IN_CONTEXT, EXACT, F1, ANSWERED, FAITHFUL) if name in found)

    def interval(self, measure: str, system: str, number: int) -> tuple[float, float, float]:
        """Return the mean with its 95 % bootstrap interval; of a measure that applies to one query at least."""
        values = list(self.values(measure, system, number).values())
        low, high = bootstrap_interval(np.array(values), resamples=2000, seed=self.seed)
        return mean(values), low, high


@dataclass(frozen=True, slots=True)
class Plan:
    """What a study does: numbers of passages, words of context (0: all), permutations of the tests, seed."""

    numbers: tuple[int, ...] = (1, 3, 5, 10, 30)
    words: int = 0
    permutations: int = 100_000
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.numbers or min(self.numbers) < 1:
            raise InputError(f"numbers of passages count from 1, got {self.numbers}")


def study_answers(
    queries: Sequence[Query],
    gold: Mapping[str, Sequence[str]],
    systems: Sequence[System],
    *,
    plan: Plan,
    desk: Desk | None = None,
    judge: Judge | None = None,
    about: Mapping[str, Any] | None = None,
    request: Mapping[str, Any] | None = None,
    origin: Mapping[str, Any] | None = None,
    watch: Watch | None = None,
) -> AnswerStudy:
    """Answer every query with the first passages of every system; the first system is the baseline.

    Without a generator at a desk only "answer in context" is measured. Raises InputError for a system
    that brings fewer passages than the largest number asks for.
    """
    origin = origin or provenance("")
    _check_depths(systems, plan)
    replies: list[Reply] = []
    for done, query in enumerate(queries, 1):
        for system in systems:
            documents = answer(system, query).ranking.documents
            replies += [
                _reply(system.name, number, query, documents, gold[query.query_id], plan, desk, judge)
                for number in plan.numbers
            ]
        if watch is not None:
            watch(done, len(queries))
    names = tuple(system.name for system in systems)
    study = AnswerStudy(
        request or {},
        about or {},
        origin,
        desk.fingerprint if desk is not None else "",
        judge.method if judge is not None else "",
        names,
        plan.numbers,
        tuple(replies),
        {},
        plan.seed,
    )
    return _compared(study, plan)


def _check_depths(systems: Sequence[System], plan: Plan) -> None:
    if not systems:
        raise InputError("a study of answers needs at least one system")
    shallow = next((system for system in systems if system.depth < max(plan.numbers)), None)
    if shallow is not None:
        raise InputError(
            f"{shallow.name!r} brings {shallow.depth} passages and {max(plan.numbers)} are asked for; raise its depth"
        )


def _reply(
    system: str,
    number: int,
    query: Query,
    documents: Sequence[Document],
    gold: Sequence[str],
    plan: Plan,
    desk: Desk | None,
    judge: Judge | None,
) -> Reply:
    meant = documents[:number]
    passages: Sequence[Document] = shown(meant, words=plan.words)
    text, tokens, latency_ms, is_remembered, values = "", 0, 0.0, False, {}
    if desk is not None:
        passages, asked = _generated(desk, query, passages)
        text, tokens = read_answer(asked.completion.text), asked.completion.prompt_tokens
        latency_ms, is_remembered = asked.latency_ms, asked.is_remembered
        values = _answer_values(query, text, gold, passages, judge)
    values |= {IN_CONTEXT: max((contains(passage.full_text, gold) for passage in passages), default=0.0)}
    left_out = len(meant) - len(passages)
    return Reply(system, number, query.query_id, text, values, tokens, latency_ms, left_out, is_remembered)


def _generated(desk: Desk, query: Query, passages: Sequence[Document]) -> tuple[Sequence[Document], Asked]:
    """Ask with the passages, without the last ones where all do not fit into the generator's context."""
    try:
        return passages, short_answer(desk.ask, ask(query.text, passages), is_said=_is_answer)
    except PromptTooLongError:
        if len(passages) <= 1:
            raise
    return _generated(desk, query, passages[:-1])


def _is_answer(asked: Asked) -> bool:
    return not asked.completion.is_cut or bool(read_answer(asked.completion.text))


def _answer_values(
    query: Query, text: str, gold: Sequence[str], passages: Sequence[Document], judge: Judge | None
) -> dict[str, float]:
    if is_abstention(text):
        return {EXACT: 0.0, F1: 0.0, ANSWERED: 0.0}
    values = {EXACT: exact_match(text, gold), F1: token_f1(text, gold), ANSWERED: 1.0}
    if judge is not None:
        values[FAITHFUL] = faithfulness(judge, query.text, text, passages)
    return values


def _compared(study: AnswerStudy, plan: Plan) -> AnswerStudy:
    """Add the tests: every system against the first at the same number of passages, corrected within a measure."""
    comparisons: dict[str, dict[int, tuple[Comparison, ...]]] = {}
    for measure in study.measures:
        tests = [
            (number, compared)
            for number in study.numbers
            for system in study.systems[1:]
            if (compared := _compare(study, measure, system, number, plan)) is not None
        ]
        adjusted = corrected([test for _, test in tests])
        comparisons[measure] = {
            number: tuple(one for (n, _), one in zip(tests, adjusted, strict=True) if n == number)
            for number in study.numbers
        }
    return replace(study, comparisons=comparisons)


def _compare(study: AnswerStudy, measure: str, system: str, number: int, plan: Plan) -> Comparison | None:
    """Compare on the queries to which the measure applies with both; None when those are fewer than two."""
    ours, theirs = (study.values(measure, name, number) for name in (system, study.systems[0]))
    both = [query_id for query_id in ours if query_id in theirs]
    if len(both) < 2:
        return None
    values = {
        system: {query_id: ours[query_id] for query_id in both},
        study.systems[0]: {query_id: theirs[query_id] for query_id in both},
    }
    return compare(system, study.systems[0], values, seed=plan.seed, permutations=plan.permutations)
