"""Listwise: a model is shown several passages at once and answers with their order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from shortlist.errors import InputError
from shortlist.scorers.llm import windows
from shortlist.scorers.llm.desk import Asking
from shortlist.scorers.llm.labels import TOP_LOGPROBS, order_by_logprobs
from shortlist.scorers.llm.listwise_prompts import PROMPTS
from shortlist.scorers.llm.method import Task
from shortlist.scorers.llm.parsing import Parsed, parse_order
from shortlist.scorers.llm.question import Question
from shortlist.types import Completion, Document, Query

WINDOWS = ("sliding", "top-down", "tournament")
_TOKENS_AN_ID = 6  # "[12] > " takes at most so many
_FIRST_TOKENS = 2  # the letter, or a bracket and the letter


@dataclass(frozen=True, slots=True)
class RankedWindow:
    """A window as a model ordered it, best first, and what had to be repaired in its answer (nothing: all its own)."""

    query: Query
    documents: tuple[Document, ...]
    model: str
    repairs: Counter[str] = field(default_factory=Counter, hash=False)


Record = Callable[[RankedWindow], None]


class Listwise:
    """Orders windows of passages by a published prompt, and puts the windows' orders together.

    `prompt`: "rankgpt", "rankzephyr", or "first", which reads the order from the log
    probabilities of one token (at most 20 passages a window). `windows`: "sliding" (each
    waits for the one before), "top-down" or "tournament" (independent ones are asked at
    once). `step` and `passes` are those of sliding. `record` is called with every ordered
    window, e.g. to train a smaller model on them.
    """

    def __init__(
        self,
        *,
        prompt: str = "rankgpt",
        windows: str = "sliding",
        window: int = 20,
        step: int = 10,
        passes: int = 1,
        record: Record | None = None,
    ) -> None:
        if prompt not in PROMPTS or windows not in WINDOWS:
            raise InputError(
                f"prompt must be one of {', '.join(PROMPTS)} and windows one of {', '.join(WINDOWS)};"
                f" got {prompt!r} and {windows!r}"
            )
        if window < 2 or not 1 <= step < window or passes < 1:
            raise InputError(
                f"window must be from 2, step from 1 to window - 1, passes from 1; got {window}, {step}, {passes}"
            )
        if prompt == "first" and window > TOP_LOGPROBS:
            raise InputError(f"the prompt 'first' can name {TOP_LOGPROBS} passages in a window; got window={window}")
        if record is not None and not callable(record):
            raise InputError(f"record must be a function that takes every ordered window; got {record!r}")
        self._prompt, self._windows, self._record = prompt, windows, record
        self._window, self._step, self._passes = window, step, passes
        sizes = f"{window}/{step} x {passes}" if windows == "sliding" else str(window)
        self.name = f"listwise {prompt}, {windows} {sizes}"

    def calls(self, count: int, top_k: int | None) -> int:
        """Return the number of windows; with "top-down" it is the most that there can be."""
        if self._windows == "sliding":
            return self._passes * len(windows.spans(count, self._window, self._step))
        most = windows.top_down_calls if self._windows == "top-down" else windows.tournament_calls
        return most(count, self._window)

    def orders(self, task: Task, desk: Asking) -> Iterator[Sequence[int]]:
        """Yield the order after every window, or after every round of independent ones."""
        return self._plan()(task.shuffled(range(len(task.passages))), partial(self._rank, task, desk))

    def _plan(self) -> windows.Plan:
        if self._windows == "sliding":
            return partial(windows.sliding, window=self._window, step=self._step, passes=self._passes)
        return partial(windows.top_down if self._windows == "top-down" else windows.tournament, window=self._window)

    def _rank(self, task: Task, desk: Asking, groups: Sequence[windows.Order]) -> list[windows.Order]:
        asked = [group for group in groups if len(group) > 1]  # of one there is nothing to ask
        answers = iter(desk.ask([self._question(task, group) for group in asked]))
        return [self._read(task, desk, group, next(answers)) if len(group) > 1 else group for group in groups]

    def _question(self, task: Task, group: Sequence[int]) -> Question:
        passages = [task.passages[place] for place in group]
        write = partial(PROMPTS[self._prompt], task.query_text)
        if self._prompt == "first":
            return task.question(passages, write, max_tokens=_FIRST_TOKENS, top_logprobs=TOP_LOGPROBS)
        return task.question(passages, write, max_tokens=_TOKENS_AN_ID * len(group) + 16)

    def _read(self, task: Task, desk: Asking, group: Sequence[int], answer: Completion) -> windows.Order:
        parsed = self._parsed(answer, len(group))
        desk.repairs.update(parsed.repairs)
        order = [group[place] for place in parsed.order]
        order[parsed.named :] = task.left_open(order[parsed.named :])
        if self._record is not None:
            documents = tuple(task.documents[place] for place in order)
            self._record(RankedWindow(task.query, documents, desk.model, parsed.repairs))
        return order

    def _parsed(self, answer: Completion, count: int) -> Parsed:
        return order_by_logprobs(answer, count) if self._prompt == "first" else parse_order(answer.text, count)
