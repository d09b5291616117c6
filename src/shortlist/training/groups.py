"""A training group: one query, one positive passage, mined negatives, and what teachers think of them all."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from shortlist.types import Document, Query


@dataclass(frozen=True, slots=True)
class Pair:
    """A query and a passage that answers it, with the name of the collection they come from."""

    query: str
    passage: str
    source: str


@dataclass(frozen=True, slots=True)
class Group:
    """One query with `1 + n` passages; the first is the positive.

    `teacher` holds one score a passage: what it is measured in is the loss's affair (its
    temperature). As mined it is the bi-encoder's cosine, in -1..1, and `lexical` holds the
    BM25 scores, 0 or more, `others` the cosines of further bi-encoders, a row each; `ensemble`
    makes one teacher of all. Without a teacher it is empty, and where only some passages have a
    score the others have None. `labels`, in 0..1, are given where
    the first is not the only relevant one. `offset` is what the other parts of a blend add to
    the score of each passage.
    """

    query: str
    passages: tuple[str, ...]
    teacher: tuple[float | None, ...]
    source: str
    lexical: tuple[float, ...] = ()
    labels: tuple[float, ...] = ()
    offset: tuple[float, ...] = ()
    others: tuple[tuple[float, ...], ...] = ()

    @property
    def asked(self) -> tuple[Query, tuple[Document, ...]]:
        """The query and its passages as a scorer takes them, named by their places."""
        return Query(self.query), tuple(Document(text, str(place)) for place, text in enumerate(self.passages))

    @property
    def relevance(self) -> tuple[float, ...]:
        """One label a passage, in 0..1."""
        return self.labels or (1.0, *(0.0 for _ in self.passages[1:]))


def write_groups(groups: Iterable[Group], path: Path) -> int:
    """Write groups as gzipped JSONL, one a line; returns how many."""
    count = 0
    with gzip.open(path, "wt", encoding="utf-8") as out:
        for group in groups:
            out.write(json.dumps(asdict(group), ensure_ascii=False) + "\n")
            count += 1
    return count


def read_groups(path: Path) -> Iterator[Group]:
    """Read what `write_groups` wrote, in order."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            lexical, labels, offset = (tuple(row.get(name, ())) for name in ("lexical", "labels", "offset"))
            others = tuple(map(tuple, row.get("others", ())))
            known = (row["query"], tuple(row["passages"]), tuple(row["teacher"]), row["source"])
            yield Group(*known, lexical, labels, offset, others)
