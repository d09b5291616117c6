"""Documents as token ids, counted and cut before they are scored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from shortlist.inference.tokens import Ids, Tokenizer
from shortlist.planning.lengths import pair_lengths
from shortlist.protocols import Scorer
from shortlist.scorers.asked_of import innermost
from shortlist.scorers.blend import Blend
from shortlist.server.faults import TooLargeError
from shortlist.server.models.asked import Cuts
from shortlist.types import Document, Query, Step, Truncation

_AT_ONCE = 64  # documents
_CHARACTERS_AT_ONCE = 32_000
_CHARACTERS_A_TOKEN = 4  # a guess, in English some 15 % too many tokens; counting pieces takes .1 s a megabyte


@runtime_checkable
class Reader(Protocol):
    """A scorer that says how it reads a pair."""

    @property
    def tokenizer(self) -> Tokenizer:
        """What makes token ids of texts."""
        ...

    def room(self, query: Query) -> int:
        """How many tokens of a document are read beside a query, at a time."""
        ...

    def tokens_read(self, query: Query, lengths: Sequence[int]) -> Sequence[int]:
        """How many tokens are read of a query's pairs with documents of so many, in all readings of each."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """Documents with their token ids, the tokens of each pair that a model reads, and what was cut as asked."""

    documents: Sequence[Document]
    lengths: Sequence[int]
    truncations: tuple[Truncation, ...] = ()

    @classmethod
    def joined(cls, parts: Sequence[Read]) -> Read:
        """Put what was read in portions together."""
        return cls(
            [document for part in parts for document in part.documents],
            [length for part in parts for length in part.lengths],
            tuple(one for part in parts for one in part.truncations),
        )


def reader_of(scorer: Scorer) -> Reader | None:
    """Return the part of a scorer that says how it reads, the first of a blend's; None when there is none."""
    inner = innermost(scorer)
    parts = map(innermost, inner.parts) if isinstance(inner, Blend) else (inner,)
    return next((part for part in parts if isinstance(part, Reader)), None)


def portions(documents: Sequence[Document]) -> Iterator[Sequence[Document]]:
    """Cut documents into runs that take tens of milliseconds to read; one that is longer has a run of its own."""
    began, characters = 0, 0
    for place, document in enumerate(documents):
        size = len(document.full_text)
        if place > began and (place - began >= _AT_ONCE or characters + size > _CHARACTERS_AT_ONCE):
            yield documents[began:place]
            began, characters = place, 0
        characters += size
    if began < len(documents):
        yield documents[began:]


def expected_tokens(query: Query, documents: Sequence[Document]) -> int:
    """Guess from their characters how many tokens all pairs have, for what is predicted until they are read."""
    return sum(len(query.text) + len(document.full_text) for document in documents) // _CHARACTERS_A_TOKEN


def check_tokens(lengths: Sequence[int], most: int) -> None:
    """Raise TooLargeError when the pairs of a request have more than `most` tokens together; 0 is no limit."""
    if 0 < most < sum(lengths):
        raise TooLargeError(f"the pairs have {sum(lengths)} tokens together, more than the {most} of a request")


def uncut(cuts: Cuts) -> tuple[Step, ...]:
    """Return what a trace says of cuts where no reader can make them."""
    note = "documents were not cut as asked: this model does not say how it reads"
    return (Step("reading", degradations=(note,)),) if cuts.is_asked else ()


def read(reader: Reader | None, query: Query, documents: Sequence[Document], cuts: Cuts) -> Read:
    """Tokenize documents once, for counting, cutting and scoring; without a reader lengths are estimated."""
    if reader is None:
        return Read(documents, pair_lengths(query, documents))
    tokenizer = reader.tokenizer
    whole = tokenizer.ids_of(documents)
    kept = whole
    if cuts.is_asked:
        beside, room = reader.tokens_read(query, [0])[0], reader.room(query)
        kept = [_cut(ids, cuts, beside=beside, room=room) for ids in whole]
    truncations = tuple(
        Truncation(d.doc_id, len(ids), len(all_ids))
        for d, ids, all_ids in zip(documents, kept, whole, strict=True)
        if len(ids) < len(all_ids)
    )
    carried = tokenizer.carried(documents, kept)
    if truncations:
        carried = [_marked(document, len(ids)) for document, ids in zip(carried, whole, strict=True)]
    return Read(carried, reader.tokens_read(query, [len(ids) for ids in kept]), truncations)


def _marked(document: Document, total: int) -> Document:
    """Say of a document's token ids when they are only a part of `total`."""
    tokens = document.tokens
    if tokens is None or len(tokens.ids) == total:
        return document
    return replace(document, tokens=replace(tokens, is_whole=False))


def _cut(ids: Ids, cuts: Cuts, *, beside: int, room: int) -> Ids:
    limits = [cuts.document_tokens, None if cuts.pair_tokens is None else max(1, cuts.pair_tokens - beside)]
    limit = min([limit for limit in limits if limit is not None] + ([room] if cuts.keeps_end else []))
    return ids[-limit:] if cuts.keeps_end else ids[:limit]
