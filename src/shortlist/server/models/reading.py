"""Documents as token ids, counted and cut before they are scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from shortlist.inference.tokens import Ids, Tokenizer
from shortlist.planning.lengths import pair_lengths
from shortlist.protocols import Scorer
from shortlist.scorers.blend import Blend
from shortlist.server.models.asked import Cuts
from shortlist.types import Document, Query, Truncation


@runtime_checkable
class Reader(Protocol):
    """A scorer that says how it reads a pair."""

    @property
    def tokenizer(self) -> Tokenizer:
        """What makes token ids of texts."""
        ...

    def room(self, query: Query) -> int:
        """How many tokens of a document are read beside a query."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """Documents with their token ids, the tokens of each pair that a model reads, and what was cut as asked."""

    documents: Sequence[Document]
    lengths: Sequence[int]
    truncations: tuple[Truncation, ...] = ()


def reader_of(scorer: Scorer) -> Reader | None:
    """Return the part of a scorer that says how it reads, the first of a blend's; None when there is none."""
    parts = scorer.parts if isinstance(scorer, Blend) else (scorer,)
    return next((part for part in parts if isinstance(part, Reader)), None)


def read(reader: Reader | None, query: Query, documents: Sequence[Document], cuts: Cuts) -> Read:
    """Tokenize documents once, for counting, cutting and scoring; without a reader lengths are estimated."""
    if reader is None:
        return Read(documents, pair_lengths(query, documents))
    tokenizer = reader.tokenizer
    whole = tokenizer.ids_of(documents)
    overhead = tokenizer.pair.overhead + len(tokenizer.encode([query.text])[0])
    kept = [_cut(ids, cuts, overhead=overhead, room=reader.room(query)) for ids in whole] if cuts.is_asked else whole
    room = max(1, reader.room(query))
    truncations = tuple(
        Truncation(d.doc_id, len(ids), len(all_ids))
        for d, ids, all_ids in zip(documents, kept, whole, strict=True)
        if len(ids) < len(all_ids)
    )
    return Read(tokenizer.carried(documents, kept), [overhead + min(len(ids), room) for ids in kept], truncations)


def _cut(ids: Ids, cuts: Cuts, *, overhead: int, room: int) -> Ids:
    limits = [cuts.document_tokens, None if cuts.pair_tokens is None else max(1, cuts.pair_tokens - overhead)]
    limit = min([limit for limit in limits if limit is not None] + ([room] if cuts.keeps_end else []))
    return ids[-limit:] if cuts.keeps_end else ids[:limit]
