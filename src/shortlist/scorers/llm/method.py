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
    are wanted at the front; None means all. `shuffle` are random ranks of the places, by which
    a method takes them up; what a model leaves open is decided by the earlier order all the same.
    """

    query: Query
    query_text: str
    documents: Sequence[Document]
    passages: Sequence[str]
    fenced: bool = True
    top_k: int | None = None
    shuffle: Sequence[int] | None = None

    def shuffled(self, places: Sequence[int]) -> list[int]:
        """Return places in the order in which a method takes them up: as they stand, or shuffled."""
        return list(places) if self.shuffle is None else sorted(places, key=self.shuffle.__getitem__)

    def left_open(self, places: Sequence[int]) -> list[int]:
        """Return places of which a model said nothing: as they stand, or, where that is by a shuffle, unshuffled."""
        return list(places) if self.shuffle is None else sorted(places)

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
        Places that an order leaves out come behind, in the earlier order.
        """
        ...
