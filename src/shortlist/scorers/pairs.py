"""A query with its documents as the inputs of a cross-encoder: the query is kept, and only documents are cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shortlist.inference.tokens import Ids, ModelInput, Tokenizer
from shortlist.passages.windows import LongDocuments, tokens_seen, windows
from shortlist.types import QUERY_CUT, Document, Query, Truncation

FOREIGN = 1 / 3  # of a text's token ids; what a model says of such a text is about the rest of it


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """The model's inputs for the documents of a query, the place of the document that each is of, and what was cut.

    `notes` say which texts the model cannot know much of.
    """

    inputs: Sequence[ModelInput]
    owners: Sequence[int]
    truncations: tuple[Truncation, ...]
    notes: tuple[str, ...] = ()


def query_ids(
    tokenizer: Tokenizer, query: Query, *, max_length: int, long_documents: LongDocuments
) -> tuple[Ids, Truncation | None]:
    """Return a query's token ids, and what was cut of it.

    It may take three quarters of `max_length`, or half of it with `LongDocuments.PASSAGES_80`; one token at least
    is left for a document.
    """
    ids = tokenizer.encode([query.text])[0]
    room = max_length * 3 // 4
    if long_documents is LongDocuments.PASSAGES_80:
        room = max_length // 2 - tokenizer.single.overhead
    room = max(1, min(room, max_length - tokenizer.pair.overhead - 1))
    return ids[:room], Truncation(QUERY_CUT, room, len(ids)) if len(ids) > room else None


def read_pairs(
    tokenizer: Tokenizer,
    query: Query,
    documents: Sequence[Document],
    *,
    max_length: int,
    long_documents: LongDocuments = LongDocuments.HEAD,
) -> Readings:
    """Return the inputs for each document, in input order, each of at most `max_length` tokens."""
    template = tokenizer.pair
    first, cut = query_ids(tokenizer, query, max_length=max_length, long_documents=long_documents)
    room = max_length - template.overhead - len(first)
    inputs: list[ModelInput] = []
    owners: list[int] = []
    truncations = [cut] if cut else []
    whole = tokenizer.ids_of(documents)
    for place, (document, ids) in enumerate(zip(documents, whole, strict=True)):
        readings = windows(len(ids), room, long_documents, doc_id=document.doc_id)
        for spans in readings:
            inputs.append(template.build(first, np.concatenate([ids[a:b] for a, b in spans])))
            owners.append(place)
        if (seen := tokens_seen(readings)) < len(ids):
            truncations.append(Truncation(document.doc_id, seen, len(ids)))
    return Readings(inputs, owners, tuple(truncations), _foreign_notes(tokenizer, first, whole))


def _foreign_notes(tokenizer: Tokenizer, query: Ids, documents: Sequence[Ids]) -> tuple[str, ...]:
    """Return what a step says of texts in a script, or of signs, that the model's vocabulary does not hold."""
    foreign = sum(tokenizer.unknown_share(ids) >= FOREIGN for ids in documents)
    who = ["the query"] if tokenizer.unknown_share(query) >= FOREIGN else []
    who += [f"{foreign} documents"] if foreign else []
    return (
        (f"a third or more of the words of {' and '.join(who)} are unknown to the model's vocabulary",) if who else ()
    )
