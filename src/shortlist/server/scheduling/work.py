"""A request's share of the work: its pairs of query and document, and what came back for them."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from shortlist.types import Deadline, Document, Query, ScoreKind, Step

OUTLIER = 4  # times the median length of its request; such a pair waits until the others are done


@dataclass(frozen=True, slots=True)
class PairScore:
    """One pair's score; `seen` of the document's `total` tokens were read where it was cut (else both are None).

    `query_cut` says the same of the query.
    """

    value: float
    kind: ScoreKind
    seen: int | None = None
    total: int | None = None
    query_cut: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class PairFailure:
    """Why a pair has no score."""

    error: Exception


Outcome = PairScore | PairFailure


@dataclass(slots=True, eq=False)
class Pair:
    """A query with a document, wanted at some places of some tasks; scored once for all of them."""

    key: bytes
    query: Query
    document: Document
    tokens: int
    takers: list[tuple[Task, int]] = field(default_factory=list)
    is_taken: bool = False


@dataclass(slots=True, eq=False)
class Task:
    """Documents that a client wants scored for a query.

    `lengths` are the tokens of each pair. `priority` is 0 for the most urgent. `outcomes`
    has one place a document, None until it is there; a task `is_over` when no more will come, which
    may be before all have. `size` is its tokens as its priority weighs them. The rest is the queue's bookkeeping.
    """

    query: Query
    documents: Sequence[Document]
    lengths: Sequence[int]
    client: str = ""
    priority: int = 0
    deadline: Deadline | None = None
    outcomes: list[Outcome | None] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    cached: int = 0
    shared: int = 0
    began_ms: float = 0.0
    first_ms: float | None = None
    size: float = field(init=False)
    tag: float = 0.0
    order: int = 0
    waiting: int = 0
    is_over: bool = False
    pending: list[Pair] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.outcomes = [None] * len(self.documents)
        self.size = float(self.tokens * (1 + self.priority))

    @property
    def tokens(self) -> int:
        """The tokens of all pairs."""
        return sum(self.lengths)

    @property
    def queued_ms(self) -> float:
        """How long the first of its pairs waited for a batch; 0 while none was taken."""
        return 0.0 if self.first_ms is None else self.first_ms - self.began_ms

    def reading_order(self) -> list[int]:
        """Return the places in the order they are scored: as given, but what is far longer than usual comes last."""
        if not self.lengths:
            return []
        long = OUTLIER * statistics.median_low(self.lengths)
        return sorted(range(len(self.lengths)), key=lambda place: self.lengths[place] > long)


def pair_key(query: Query, document: Document) -> bytes:
    """Return a digest that is equal for pairs that a model cannot tell apart."""
    # another reading of the same text, cut elsewhere, is another pair
    read = b"" if document.tokens is None else document.tokens.ids.tobytes()
    texts = (text.encode("utf-8", "surrogatepass") for text in (query.text, document.full_text))
    digest = hashlib.blake2b(b"whole" if document.tokens is None else b"tokens", digest_size=16)
    for content in (read, *texts):
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.digest()
