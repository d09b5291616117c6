"""Setwise: a model names the best of a few passages, and a heap of such answers gives the best few of all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from shortlist.errors import InputError
from shortlist.scorers.llm.desk import Asking
from shortlist.scorers.llm.heap import heap_questions, heap_top
from shortlist.scorers.llm.labels import LABELS, TOP_LOGPROBS, Choice, check_choice, chosen
from shortlist.scorers.llm.method import Task
from shortlist.types import Message


class Setwise:
    """Zhuang et al. 2024, "A Setwise Approach for Effective and Highly Efficient Zero-shot Ranking with LLMs".

    Each prompt shows a passage and its `children` in the heap, in their earlier order or
    shuffled. The first `top` are found; the others keep their earlier order behind them.
    `choice`: "text" reads the label that is answered, "logprobs" takes the likeliest label of
    the first token. Without a label in the answer, the passage that stood earliest is taken.
    """

    def __init__(self, *, children: int = 2, top: int = 10, choice: Choice = "text") -> None:
        if not 2 <= children < TOP_LOGPROBS or top < 1:
            raise InputError(f"children must be from 2 to {TOP_LOGPROBS - 1} and top from 1; got {children} and {top}")
        check_choice(choice)
        self._children, self._top, self._choice = children, top, choice
        self.name = f"setwise by {choice}, heap of {children} children, top {top}"

    def calls(self, count: int, top_k: int | None) -> int:
        """Return the most prompts that there can be."""
        return heap_questions(count, min(self._top, top_k or self._top), children=self._children)

    def orders(self, task: Task, desk: Asking) -> Iterator[Sequence[int]]:
        """Yield the order after every place found."""
        top = min(self._top, task.top_k or self._top)
        places = task.shuffled(range(len(task.passages)))
        return heap_top(places, top, partial(self._best, task, desk), children=self._children)

    def _best(self, task: Task, desk: Asking, places: Sequence[int]) -> int:
        shown = task.shuffled(sorted(places))  # a model that leans to what it reads first leans to the earlier order
        question = task.question(
            [task.passages[place] for place in shown],
            partial(_written, task.query_text),
            max_tokens=4,
            top_logprobs=TOP_LOGPROBS if self._choice == "logprobs" else 0,
        )
        label = chosen(desk.ask([question])[0], LABELS[: len(shown)], self._choice, desk.repairs)
        return min(places) if label is None else shown[label]


def _written(query: str, passages: Sequence[str]) -> list[Message]:
    shown = "\n\n".join(f'Passage {label}: "{text}"' for label, text in zip(LABELS, passages, strict=False))
    text = (
        f'Given a query "{query}", which of the following passages is the most relevant one to the query?\n\n{shown}'
        "\n\nOutput only the passage label of the most relevant passage:"
    )
    return [Message("user", text)]
