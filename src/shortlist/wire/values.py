"""What a rerank request and its response say, whatever the dialect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from shortlist.errors import InputError

LEAST_URGENT = 999  # the highest priority that Cohere takes


@dataclass(frozen=True, slots=True)
class WireDocument:
    """A document's text, and the object it came in where it was no plain string."""

    text: str
    fields: Mapping[str, Any] | None = field(default=None, hash=False)


@dataclass(frozen=True, slots=True)
class RerankRequest:
    """A query with documents to order.

    What is None was not said, and the server's default holds. `top_k` asks for the best
    ones only, `raw_scores` for logits where the default is their sigmoid. `truncate` says
    whether a text that is too long is cut or refused, `truncation_side` ("left" or
    "right") what is cut off. The limits count tokens: of one document, or of query and
    document together. `rank_fields` name the fields of an object that are read.
    `priority` is 0 for the most urgent, `LEAST_URGENT` for the least.
    """

    query: str
    documents: tuple[WireDocument, ...]
    model: str = ""
    top_k: int | None = None
    return_documents: bool | None = None
    raw_scores: bool | None = None
    truncate: bool | None = None
    truncation_side: str | None = None
    max_document_tokens: int | None = None
    max_pair_tokens: int | None = None
    rank_fields: tuple[str, ...] = ()
    priority: int | None = None

    @property
    def expected(self) -> int:
        """How many results answer this request."""
        return len(self.documents) if self.top_k is None else min(self.top_k, len(self.documents))


@dataclass(frozen=True, slots=True)
class RerankResult:
    """The place of a document in the request, from 0, its score, and the document where it is sent back."""

    index: int
    score: float
    document: WireDocument | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What a call was counted as; None where the server does not say.

    Cohere bills search units (one query with up to 100 documents), Pinecone its rerank units, the others tokens.
    """

    total_tokens: int | None = None
    search_units: int | None = None


@dataclass(frozen=True, slots=True)
class RerankResponse:
    """Results in the order in which they are sent, with what the server says about itself."""

    results: tuple[RerankResult, ...]
    model: str = ""
    response_id: str = ""
    created: int | None = None
    usage: Usage = Usage()
    warnings: tuple[str, ...] = ()


_ALWAYS = {"query", "documents"}


def check_said(request: RerankRequest, *, dialect: str, fields_of: frozenset[str]) -> None:
    """Raise InputError when a request says something that the dialect has no field for."""
    unsaid = RerankRequest("", ())
    for name in (f.name for f in fields(RerankRequest)):
        if name in _ALWAYS | fields_of or getattr(request, name) == getattr(unsaid, name):
            continue
        raise InputError(
            f"the format of {dialect} has no field for {name}={getattr(request, name)!r};"
            f" it has: {', '.join(sorted(fields_of)) or 'none of the optional ones'}"
        )
