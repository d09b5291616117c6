"""How many tokens a pair will have, before any tokenizer has seen it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from shortlist.types import Document, Query

SPECIAL_TOKENS = 3  # [CLS] query [SEP] document [SEP]
BYTES_PER_TOKEN = 4.0  # English prose in WordPiece is 4.3, source code 3; UTF-8 brings other scripts near it


def pair_lengths(query: Query, documents: Sequence[Document]) -> list[int]:
    """Return the tokens of each pair: counted where they were stored at index time, else estimated from the bytes."""
    shared = SPECIAL_TOKENS + _estimated(query.text)
    return [shared + _document_tokens(document) for document in documents]


def _document_tokens(document: Document) -> int:
    return len(document.tokens.ids) if document.tokens is not None else _estimated(document.full_text)


def _estimated(text: str) -> int:
    return math.ceil(len(text.encode("utf-8", "surrogatepass")) / BYTES_PER_TOKEN)
