"""What an engine elsewhere stores of a document, and how it becomes a document again."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist.errors import IndexMismatchError
from shortlist.retrieval.documents import SCHEMA_VERSION, Manifest
from shortlist.retrieval.edge import ANALYZER
from shortlist.retrieval.filters import Facets, facets
from shortlist.retrieval.remote.terms import Analyzer, Terms, document_weights
from shortlist.types import Document, DocumentVector, Place, TokenIds


@dataclass(frozen=True, slots=True)
class Layout:
    """How a collection was made. It lies beside the documents, so that whoever connects can check it.

    `average_length` is what the stored word weights were computed with. `has_graph` says
    whether vectors are searched through an HNSW graph.
    """

    manifest: Manifest
    average_length: float
    has_graph: bool = False

    def to_json(self) -> str:
        """Return the layout as one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: object, *, name: str) -> Layout:
        """Read what `to_json` wrote. Raises IndexMismatchError for another schema or analyzer, or no layout at all."""
        try:
            found = json.loads(str(text))
            manifest = Manifest(**found["manifest"])
            layout = cls(manifest, float(found["average_length"]), bool(found["has_graph"]))
        except (ValueError, KeyError, TypeError) as error:
            raise IndexMismatchError(
                f"{name} was not made by `shortlist index push`: it has no readable layout ({error})"
            ) from error
        if (manifest.schema, manifest.analyzer) != (SCHEMA_VERSION, ANALYZER):
            raise IndexMismatchError(
                f"{name} has schema version {manifest.schema} and reads words by {manifest.analyzer!r} (made by"
                f" {manifest.created_by}), but this version of shortlist has {SCHEMA_VERSION} and {ANALYZER!r};"
                " push the index again"
            )
        return layout


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """A document as an engine keeps it. `terms` is empty and `vector` None where nothing could find it."""

    key: str
    order: int
    record: str
    facets: Facets
    terms: Terms
    vector: npt.NDArray[np.float32] | None


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """A point that came back, with the score of the search that found it."""

    order: int
    record: str
    vector: npt.NDArray[np.float32] | None
    score: float = 0.0

    def document(self, encoder: str) -> Document:
        """Return the document, with its vector as `encoder` made it."""
        return _document(json.loads(self.record), self.vector, encoder)


def key_of(doc_id: str) -> str:
    """Return the id that an engine gets: 32 hexadecimal digits, since a doc_id may be any text of any length."""
    return hashlib.blake2b(doc_id.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def point_of(
    document: Document, vector: npt.NDArray[np.float16] | None, *, order: int, analyzer: Analyzer, average_length: float
) -> Point:
    """Return what is stored of a document; `order` is its place among those that came before and after."""
    path = document.place.path if document.place else None
    return Point(
        key_of(document.doc_id),
        order,
        _record(document),
        facets(document.metadata, path=path),
        document_weights(analyzer.counts(document.full_text.strip()), average_length),
        None if vector is None else vector.astype(np.float32),
    )


def _record(document: Document) -> str:
    """Write a document as JSON: readable where its text is Unicode, escaped where it holds lone surrogates or NUL."""
    fields: dict[str, Any] = {"doc_id": document.doc_id, "text": document.text}
    if document.title:
        fields["title"] = document.title
    if document.metadata:
        fields["metadata"] = dict(document.metadata)
    if document.place is not None:
        fields["place"] = asdict(document.place)
    if document.tokens is not None:
        ids = base64.b64encode(document.tokens.ids.astype("<i4").tobytes()).decode("ascii")
        fields["tokens"] = {"tokenizer": document.tokens.tokenizer, "ids": ids}
    readable = json.dumps(fields, ensure_ascii=False, allow_nan=False)
    try:
        readable.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(fields, allow_nan=False)
    return readable


def _document(fields: Mapping[str, Any], vector: npt.NDArray[np.float32] | None, encoder: str) -> Document:
    place, tokens = fields.get("place"), fields.get("tokens")
    return Document(
        fields["text"],
        fields["doc_id"],
        fields.get("title", ""),
        fields.get("metadata", {}),
        None if place is None else Place(**place),
        None if tokens is None else TokenIds(tokens["tokenizer"], _ids(tokens["ids"])),
        None if vector is None or not encoder else DocumentVector(encoder, vector),
    )


def _ids(text: str) -> npt.NDArray[np.int32]:
    return np.frombuffer(base64.b64decode(text), "<i4").astype(np.int32)


def doc_ids_of(points: Sequence[Point]) -> list[str]:
    """Return the documents' own ids, for messages."""
    return [json.loads(point.record)["doc_id"] for point in points]
