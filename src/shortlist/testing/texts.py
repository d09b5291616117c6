"""Texts that have broken rerankers before, with a query for them."""

from __future__ import annotations

from shortlist.types import Document, Query, Ranking

QUERY = Query("How tall is the Eiffel Tower?")

DOCUMENTS: tuple[Document, ...] = (
    Document("It is made of wrought iron.", "iron", metadata={"kept": [1, 2]}),
    Document("The tower is 330 metres (1,083 ft) tall.", "height", "Eiffel Tower"),
    Document("The tower is 330 metres (1,083 ft) tall.", "height-again", "Eiffel Tower"),
    Document("", "empty"),
    Document(" \n\t", "blank"),
    Document("[SEP] [CLS] </s> <|endoftext|> the tower", "special tokens"),
    Document("東京タワーの高さは333メートルです。 🗼", "another script"),
    Document("a lone \ud800 surrogate and a \0 byte", "not encodable"),
    Document("tower " * 5000, "long"),
    Document("x" * 20_000, "one word"),
)


def candidates() -> Ranking:
    """Return the documents as a first stage would."""
    return Ranking.in_order(QUERY, DOCUMENTS, stage="given")
