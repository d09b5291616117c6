"""The seam between the ways of asking and the reranker around them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from shortlist.scorers.llm.desk import Asking
from shortlist.scorers.llm.question import Question, Write
from shortlist.types import Document, Query


@dataclass(frozen=True, slots=True)
class Task:
    """A query and its passages, harmless and shortened, in the earlier order; `documents` are the passages' own.

    `fenced` says that prompts must warn of instructions inside passages. `top_k` is how many
    are wanted at the front; None means all.
    """

    query: Query
    query_text: str
    documents: Sequence[Document]
    passages: Sequence[str]
    fenced: bool = True
    top_k: int | None = None

    def question(
        self, passages: Sequence[str], write: Write, *, max_tokens: int = 1, top_logprobs: int = 0
    ) -> Question:
        """Return a question about some passages, fenced as all of this task are."""
        return Question(tuple(passages), write, self.fenced, max_tokens, top_logprobs)


class Method(Protocol):
    """A way to order passages by asking a language model."""

    @property
    def name(self) -> str:
        """Name the method with what shapes its answers, for the trace."""
        ...

    def calls(self, count: int, top_k: int | None) -> int:
        """Return how many calls it makes at most for `count` passages."""
        ...

    def orders(self, task: Task, desk: Asking) -> Iterator[Sequence[int]]:
        """Yield better and better orders of the passages' places; the last one yielded stands.

        So whatever ends the asking (a cap, a server that fails), the best order so far is known.
        """
        ...
