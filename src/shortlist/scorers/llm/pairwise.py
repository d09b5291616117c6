"""Pairwise: a model says which of two passages is better, asked in both orders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import combinations

from shortlist.errors import InputError
from shortlist.scorers.llm.desk import Asking
from shortlist.scorers.llm.fence import warned
from shortlist.scorers.llm.heap import heap_questions, heap_top
from shortlist.scorers.llm.labels import TOP_LOGPROBS, Choice, check_choice, chosen
from shortlist.scorers.llm.method import Task
from shortlist.types import Message, Prompt
from shortlist.types.ranking import descending

SORTS = ("all-pairs", "heap", "sliding")
_PAIRS_AT_ONCE = 16


class Pairwise:
    """PRP (Qin et al. 2023, "Large Language Models are Effective Text Rankers with Pairwise Ranking Prompting").

    Each pair is asked twice, the passages swapped; only a consistent answer is a win, else
    it is a tie and the earlier order stands. `sort`: "all-pairs" (n (n - 1) calls, at once),
    "heap" (the first `top`, a comparison after the other), or "sliding" (`top` passes of a
    bubble sort from the back). `choice`: "text" or "logprobs", how an answer is read.
    """

    def __init__(self, *, sort: str = "heap", top: int = 10, choice: Choice = "text") -> None:
        if sort not in SORTS:
            raise InputError(f"sort must be one of {', '.join(SORTS)}; got {sort!r}")
        if top < 1:
            raise InputError(f"top must be 1 or more; got {top}")
        check_choice(choice)
        self._sort, self._top, self._choice = sort, top, choice
        self.name = f"pairwise by {choice}, {sort}" + ("" if sort == "all-pairs" else f" top {top}")

    def calls(self, count: int, top_k: int | None) -> int:
        """Return the number of prompts, two a comparison; with "heap" it is the most that there can be."""
        top = min(self._top, top_k or self._top, count)
        if self._sort == "all-pairs":
            return count * (count - 1)
        if self._sort == "sliding":
            return 2 * sum(max(0, count - 1 - done) for done in range(top))
        return 4 * heap_questions(count, top, children=2)

    def orders(self, task: Task, desk: Asking) -> Iterator[Sequence[int]]:
        """Yield the order after every few pairs, every place found, or every exchange."""
        count = len(task.passages)
        top = min(self._top, task.top_k or self._top)
        if self._sort == "all-pairs":
            return self._all_pairs(task, desk, count)
        if self._sort == "sliding":
            return self._sliding(task, desk, count, top)
        return heap_top(count, top, partial(self._best, task, desk), children=2)

    def _all_pairs(self, task: Task, desk: Asking, count: int) -> Iterator[list[int]]:
        pairs = list(combinations(range(count), 2))
        won = [0.0] * count  # wins less losses: ties count for neither, and pairs not asked yet alike
        for start in range(0, len(pairs), _PAIRS_AT_ONCE):
            asked = pairs[start : start + _PAIRS_AT_ONCE]
            for (a, b), outcome in zip(asked, self._compare(task, desk, asked), strict=True):
                won[a] += outcome
                won[b] -= outcome
            yield descending(won)

    def _sliding(self, task: Task, desk: Asking, count: int, top: int) -> Iterator[list[int]]:
        order = list(range(count))
        for done in range(min(top, count)):
            for place in range(count - 1, done, -1):
                pair = (order[place - 1], order[place])
                if self._compare(task, desk, [pair])[0] < 0:
                    order[place - 1 : place + 1] = pair[::-1]
                yield list(order)

    def _best(self, task: Task, desk: Asking, places: Sequence[int]) -> int:
        """Return the best of a parent and its children; of two that tie, the one that stood earlier."""
        parent, *children = places
        rival = children[0]
        for child in children[1:]:
            rival = self._better(task, desk, rival, child)
        return self._better(task, desk, parent, rival)

    def _better(self, task: Task, desk: Asking, a: int, b: int) -> int:
        outcome = self._compare(task, desk, [(a, b)])[0]
        return min(a, b) if outcome == 0 else a if outcome > 0 else b

    def _compare(self, task: Task, desk: Asking, pairs: Sequence[tuple[int, int]]) -> list[int]:
        """Return 1 for each pair whose first passage wins both times, -1 where the second does, else 0."""
        prompts = [self._question(task, *shown) for a, b in pairs for shown in ((a, b), (b, a))]
        answers = [chosen(answer, "AB", self._choice, desk.repairs) for answer in desk.ask(prompts)]
        outcomes = {(0, 1): 1, (1, 0): -1}
        return [
            outcomes.get((first, swapped), 0) if first is not None and swapped is not None else 0
            for first, swapped in zip(answers[::2], answers[1::2], strict=True)
        ]

    def _question(self, task: Task, a: int, b: int) -> Prompt:
        text = (
            f'Given a query "{task.query_text}", which of the following two passages is more relevant to the query?\n\n'
            f'Passage A: "{task.passages[a]}"\n\nPassage B: "{task.passages[b]}"\n\nOutput Passage A or Passage B:'
        )
        message = Message("user", text)
        return Prompt(
            warned([message]) if task.fenced else (message,),
            max_tokens=4,
            top_logprobs=TOP_LOGPROBS if self._choice == "logprobs" else 0,
        )
