"""A document as a row of SQLite values, and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist.errors import InputError
from shortlist.types import Document, DocumentVector, Place, TokenIds


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """A document with its point id in the engine, its source, and its vector `[dimension]`, if it has one."""

    point: int
    document: Document
    source: str
    vector: npt.NDArray[np.float16] | None


def encoded(text: str) -> bytes:
    """Return text as UTF-8 that also takes lone surrogates, which file names and JSON can hold."""
    return text.encode("utf-8", "surrogatepass")


def decoded(value: Any) -> str:
    """Return the text that `encoded` was given."""
    return bytes(value).decode("utf-8", "surrogatepass")


def metadata_json(document: Document) -> str:
    """Return a document's metadata as JSON. Raises InputError, naming the doc_id, when JSON cannot hold it."""
    try:
        return json.dumps(dict(document.metadata), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"the metadata of document {document.doc_id!r} cannot be stored as JSON ({error});"
            " use text, finite numbers, booleans, None, lists and mappings"
        ) from error


def values_of(row: Row) -> tuple[object, ...]:
    """Return a row's values in the order of the table's columns."""
    document, tokens = row.document, row.document.tokens
    return (
        row.point,
        encoded(document.doc_id),
        encoded(row.source),
        encoded(document.text),
        encoded(document.title),
        metadata_json(document),
        None if document.place is None else json.dumps(asdict(document.place)),
        None if tokens is None else tokens.tokenizer,
        None if tokens is None else tokens.ids.astype("<i4").tobytes(),
        None if row.vector is None else row.vector.astype("<f2").tobytes(),
    )


def row_of(values: Sequence[Any]) -> Row:
    """Return the row that `values_of` was given."""
    vector = values[-1]
    half = None if vector is None else np.frombuffer(vector, "<f2").astype(np.float16)
    return Row(values[0], document_of(values), decoded(values[2]), half)


def document_of(values: Sequence[Any], *, encoder: str = "") -> Document:
    """Return a row's document, with its vector as `encoder`, if one is named, made it."""
    _, doc_id, _, text, title, metadata, place, tokenizer, tokens, vector = values
    # every search makes some two hundred of these: no `replace`, and json reads text faster than bytes
    return Document(
        decoded(text),
        decoded(doc_id),
        decoded(title),
        {} if metadata == b"{}" else json.loads(decoded(metadata)),
        None if place is None else Place(**json.loads(decoded(place))),
        None if tokenizer is None else TokenIds(decoded(tokenizer), np.frombuffer(tokens, "<i4").astype(np.int32)),
        DocumentVector(encoder, np.frombuffer(vector, "<f2").astype(np.float32)) if encoder and vector else None,
    )
