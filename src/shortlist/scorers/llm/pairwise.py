"""Pairwise: a model says which of two passages is better, asked in both orders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import combinations

from shortlist.errors import InputError
from shortlist.scorers.llm.desk import Asking
from shortlist.scorers.llm.heap import heap_questions, heap_top
from shortlist.scorers.llm.labels import TOP_LOGPROBS, Choice, check_choice, chosen
from shortlist.scorers.llm.method import Task
from shortlist.scorers.llm.question import Question
from shortlist.types import Completion, Message
from shortlist.types.ranking import descending

SORTS = ("all-pairs", "heap", "sliding")


class Pairwise:
    """PRP (Qin et al. 2023, "Large Language Models are Effective Text Rankers with Pairwise Ranking Prompting").

    Each pair is asked twice, the passages swapped; only a consistent answer is a win, else
    it is a tie and the earlier order stands. `sort`: "all-pairs" (n (n - 1) calls, at once),
    "heap" (the first `top`, a comparison after the other), or "sliding" (`top` passes of a
    bubble sort from the back). `choice`: "text" or "logprobs", how an answer is read.
    In a shuffled task "heap" and "sliding" begin with other comparisons; ties keep the earlier order.
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
        """Yield the order after every pair, every place found, or every comparison."""
        count = len(task.passages)
        top = min(self._top, task.top_k or self._top)
        if self._sort == "all-pairs":
            return self._all_pairs(task, desk, count)
        if self._sort == "sliding":
            return self._sliding(task, desk, count, top)
        return heap_top(task.shuffled(range(count)), top, partial(self._best, task, desk), children=2)

    def _all_pairs(self, task: Task, desk: Asking, count: int) -> Iterator[list[int]]:
        pairs = list(combinations(range(count), 2))
        won = [0.0] * count  # wins less losses: ties count for neither, and pairs not asked yet alike
        answers = desk.each(self._question(task, *shown) for a, b in pairs for shown in ((a, b), (b, a)))
        for (a, b), first, swapped in zip(pairs, answers, answers, strict=True):
            outcome = self._outcome(first, swapped, desk)
            won[a] += outcome
            won[b] -= outcome
            yield descending(won)

    def _sliding(self, task: Task, desk: Asking, count: int, top: int) -> Iterator[list[int]]:
        order = task.shuffled(range(count))
        for done in range(min(top, count)):
            for place in range(count - 1, done, -1):
                pair = (order[place - 1], order[place])
                if self._better(task, desk, *pair) == pair[1]:
                    order[place - 1 : place + 1] = pair[::-1]
                yield list(order)
        if task.shuffle is not None:  # behind those found, chance has its part in the order
            yield order[:top]

    def _best(self, task: Task, desk: Asking, places: Sequence[int]) -> int:
        """Return the best of a parent and its children; of two that tie, the one that stood earlier."""
        parent, *children = places
        rival = children[0]
        for child in children[1:]:
            rival = self._better(task, desk, rival, child)
        return self._better(task, desk, parent, rival)

    def _better(self, task: Task, desk: Asking, a: int, b: int) -> int:
        outcome = self._compared(task, desk, a, b)
        return min(a, b) if outcome == 0 else a if outcome > 0 else b

    def _compared(self, task: Task, desk: Asking, a: int, b: int) -> int:
        first, swapped = desk.ask([self._question(task, a, b), self._question(task, b, a)])
        return self._outcome(first, swapped, desk)

    def _outcome(self, first: Completion, swapped: Completion, desk: Asking) -> int:
        """Return 1 when the first passage of a pair wins both times, -1 when the second does, else 0."""
        answers = (chosen(first, "AB", self._choice, desk.repairs), chosen(swapped, "AB", self._choice, desk.repairs))
        return (answers == (0, 1)) - (answers == (1, 0))

    def _question(self, task: Task, a: int, b: int) -> Question:
        return task.question(
            [task.passages[a], task.passages[b]],
            partial(_written, task.query_text),
            max_tokens=4,
            top_logprobs=TOP_LOGPROBS if self._choice == "logprobs" else 0,
        )


def _written(query: str, passages: Sequence[str]) -> list[Message]:
    first, second = passages
    text = (
        f'Given a query "{query}", which of the following two passages is more relevant to the query?\n\n'
        f'Passage A: "{first}"\n\nPassage B: "{second}"\n\nOutput Passage A or Passage B:'
    )
    return [Message("user", text)]
