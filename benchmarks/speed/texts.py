"""Real passages joined and cut to a wanted length in tokens."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle

from tokenizers import Tokenizer

from benchmarks.quality.collection import Collection
from shortlist.inference.models import find_model
from shortlist.types import Document, Query

Offsets = Callable[[str], Sequence[tuple[int, int]]]
"""A text in, the first and last character of each of its tokens out."""

SPREAD = 0.2  # lengths lie evenly within 20 % of the wanted one, since real candidates are never equally long


@dataclass(frozen=True, slots=True)
class Candidates:
    """A query with documents of about `tokens` tokens each."""

    query: Query
    documents: tuple[Document, ...]
    tokens: int


def offsets_of(model: str) -> Offsets:
    """Return a model's tokenizer, whole texts in and offsets out."""
    raw = Tokenizer.from_file(str(find_model(model).path / "tokenizer.json"))
    raw.no_truncation()
    raw.no_padding()

    def offsets(text: str) -> Sequence[tuple[int, int]]:
        found: Sequence[tuple[int, int]] = raw.encode(text, add_special_tokens=False).offsets
        return found

    return offsets


def make_candidates(
    collection: Collection, query: Query, *, tokens: int, count: int, offsets: Offsets, seed: int
) -> Candidates:
    """Make `count` documents out of a query's given candidates, in their order."""
    rng = random.Random(f"{seed} {query.query_id} {tokens}")
    passages = cycle([document.text for document in collection.given(query, depth=100)])
    documents = tuple(
        Document(_joined(passages, round(tokens * rng.uniform(1 - SPREAD, 1 + SPREAD)), offsets), str(place))
        for place in range(count)
    )
    return Candidates(query, documents, tokens)


def _joined(passages: Iterator[str], tokens: int, offsets: Offsets) -> str:
    text = next(passages)
    while len(spans := offsets(text)) < tokens:
        text = f"{text} {next(passages)}"
    return text[: spans[tokens - 1][1]]
