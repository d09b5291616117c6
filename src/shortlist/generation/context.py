"""The context that a language model is given: passages with marks, fenced, in an order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from shortlist.errors import InputError
from shortlist.passages.quoting import harmless, harmless_lines
from shortlist.types import Document, Truncation


class Order(str, Enum):
    """In which order a model reads the passages; marks stay those of the ranking.

    `BOTH_ENDS` puts the best at the beginning and the end, the worst in the middle, which models
    read least (Liu et al., TACL 2024, https://arxiv.org/abs/2307.03172). `BEST_LAST` is for models
    that mind the end most. `AS_WRITTEN` keeps passages of one file in the order of its lines.
    """

    BEST_FIRST = "best-first"
    BOTH_ENDS = "both-ends"
    BEST_LAST = "best-last"
    AS_WRITTEN = "as-written"

    @classmethod
    def _missing_(cls, value: object) -> Order:
        raise InputError(f"order must be one of {', '.join(one.value for one in cls)}; got {value!r}")


@dataclass(frozen=True, slots=True)
class ContextPassage:
    """A passage with its citation mark, from 1 in the order of the ranking.

    `document` is what is shown, `sources` are the ranked documents it stands for: itself, the
    neighbours joined to it and the near-duplicates it replaces. `mark` is what an answer cites.
    """

    mark: int
    document: Document
    sources: tuple[Document, ...]

    def __str__(self) -> str:
        """The passage as the prompt shows it; text that could be taken for a mark of ours is broken."""
        place = harmless(str(self.document.place or self.document.doc_id or "-"))
        heading = self.document.title or (self.document.place.heading if self.document.place else "")
        lines = [f'<passage id="{self.mark}" source="{place}">', harmless(heading), harmless_lines(self.document.text)]
        return "\n".join([*(line for line in lines if line), "</passage>"])


@dataclass(frozen=True, slots=True)
class Context:
    """Passages in the order in which a model reads them, with what it cost to fit them.

    `tokens` is what `text` counts, never over `budget`. `left_out` names the ranked documents that
    did not fit, `truncations` those that were cut (in words).
    """

    passages: tuple[ContextPassage, ...]
    tokens: int
    budget: int
    left_out: tuple[str, ...] = ()
    truncations: tuple[Truncation, ...] = ()

    @property
    def text(self) -> str:
        """The passages as the prompt shows them."""
        return rendered(self.passages)

    def of_mark(self, mark: int) -> ContextPassage | None:
        """Return the passage that a mark cites, or None when there is none."""
        return next((passage for passage in self.passages if passage.mark == mark), None)

    @property
    def degradations(self) -> tuple[str, ...]:
        """What was left out or cut, in words."""
        notes = [f"{len(self.left_out)} passages did not fit into the context"] if self.left_out else []
        return (*notes, *(f"{t.doc_id} was cut to {t.seen} of {t.total} words of context" for t in self.truncations))


def rendered(passages: Sequence[ContextPassage]) -> str:
    """Return passages as the prompt shows them, a blank line between two."""
    return "\n\n".join(map(str, passages))


def in_order(passages: Sequence[ContextPassage], order: Order) -> tuple[ContextPassage, ...]:
    """Return passages, given best first, in another order."""
    if order is Order.BEST_LAST:
        return tuple(reversed(passages))
    if order is Order.BOTH_ENDS:
        return (*passages[::2], *reversed(passages[1::2]))
    if order is Order.AS_WRITTEN:
        first_seen = {_path(passage): rank for rank, passage in reversed(list(enumerate(passages)))}
        return tuple(sorted(passages, key=lambda passage: (first_seen[_path(passage)], _line(passage))))
    return tuple(passages)


def _path(passage: ContextPassage) -> str:
    return passage.document.place.path if passage.document.place else passage.document.doc_id


def _line(passage: ContextPassage) -> int:
    return passage.document.place.first_line if passage.document.place else 0
