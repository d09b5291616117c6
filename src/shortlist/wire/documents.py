"""Documents as strings or as objects with `text`, as several dialects have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shortlist.wire.reading import At
from shortlist.wire.values import WireDocument


def read_strings(documents: At) -> tuple[WireDocument, ...]:
    """Read a list of at least one string."""
    return _some(documents, tuple(WireDocument(item.text()) for item in documents.items()))


def read_strings_or_objects(documents: At, *, rank_fields: Sequence[str] = ()) -> tuple[WireDocument, ...]:
    """Read a list of at least one string or object.

    Of an object `text` is read, or else the `rank_fields`, one a line; all of its members are kept.
    """
    return _some(documents, tuple(read_document(item, rank_fields=rank_fields) for item in documents.items()))


def read_document(item: At, *, rank_fields: Sequence[str] = ()) -> WireDocument:
    """Read a string, or an object with `text` or with all of `rank_fields`."""
    if isinstance(item.value, str):
        return WireDocument(item.value)
    if not item.is_object():
        raise item.wrong("a string, or an object with a text")
    text = "\n".join(item[name].text() for name in rank_fields) if rank_fields else item["text"].text()
    return WireDocument(text, item.value)


def as_given(document: WireDocument) -> Any:
    """Return the string or the object that a document came as."""
    return document.text if document.fields is None else dict(document.fields)


def as_text(document: WireDocument) -> str:
    """Return a document's text alone."""
    return document.text


def as_object(document: WireDocument) -> dict[str, Any]:
    """Return a document as an object with at least `text`."""
    return {"text": document.text} if document.fields is None else dict(document.fields)


def _some(at: At, documents: tuple[WireDocument, ...]) -> tuple[WireDocument, ...]:
    if not documents:
        raise at.wrong("at least one document")
    return documents
