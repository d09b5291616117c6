"""How many tokens a pair will have, before any tokenizer has seen it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from shortlist.types import Document, Query

SPECIAL_TOKENS = 3  # [CLS] query [SEP] document [SEP]
# Words up to 8 letters are mostly one token of an English WordPiece vocabulary, longer ones two, punctuation is one a
# sign. Against bert-base-uncased: .99 of the tokens of MS MARCO and SQuAD, 1.07 of scifact, .95 of cranfield, 1.1 of
# Python code; bytes / 4 was off by 13 to 29 %.
_PIECE = re.compile(r"[A-Za-z0-9]{1,8}|[^\W\x00-\x7f]{1,2}|\S")
_MUCH = 20_000  # characters, after which a text goes on as it began
SAMPLE = 64  # texts that tell of the others
_HEAD = 4_000  # characters of each of them that are read: off by 3 % on prose and 1 % on code, and read in .2 ms


def pair_lengths(query: Query, documents: Sequence[Document]) -> list[int]:
    """Return the tokens of each pair: counted where they were stored at index time, else estimated from the text."""
    shared = SPECIAL_TOKENS + _estimated(query.text)
    return [shared + _document_tokens(document) for document in documents]


def sampled_lengths(
    query: Query, documents: Sequence[Document], *, is_late: Callable[[], bool] = lambda: False
) -> list[int]:
    """Do the same in a time that hardly grows with the texts: at most `SAMPLE` of them are read, evenly spread.

    The others are thought to have as many tokens a character as these have together. Reading ends once `is_late`, but
    not before the first text.
    """
    texts = [place for place, document in enumerate(documents) if document.tokens is None]
    read: dict[int, int] = {}
    for place in texts[:: -(-len(texts) // SAMPLE) or 1]:
        if read and is_late():
            break
        read[place] = _estimated(documents[place].full_text, _HEAD)
    share = sum(read.values()) / max(1, sum(_characters(documents[place]) for place in read))
    shared = SPECIAL_TOKENS + _estimated(query.text, _HEAD)
    lengths = [shared + (round(share * _characters(d)) if d.tokens is None else len(d.tokens.ids)) for d in documents]
    for place, tokens in read.items():
        lengths[place] = shared + tokens
    return lengths


def _characters(document: Document) -> int:
    return len(document.text) + len(document.title)


def _document_tokens(document: Document) -> int:
    return len(document.tokens.ids) if document.tokens is not None else _estimated(document.full_text)


def _estimated(text: str, much: int = _MUCH) -> int:
    found = len(_PIECE.findall(text[:much]))
    return found if len(text) <= much else round(found * len(text) / much)
