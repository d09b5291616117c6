"""What is ranked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt

from shortlist.errors import InputError


@dataclass(frozen=True, slots=True)
class Place:
    """Where a passage stands: file, first and last line (from 1, inclusive; 0 where lines mean nothing), heading."""

    path: str
    first_line: int = 0
    last_line: int = 0
    heading: str = ""

    def __str__(self) -> str:
        lines = f":{self.first_line}-{self.last_line}" if self.first_line else ""
        return f"{self.path}{lines}"


@dataclass(frozen=True, slots=True, eq=False)
class TokenIds:
    """A document's token ids `[tokens]`, without special tokens, and the fingerprint of the tokenizer they are of.

    Where `is_whole` is false they are only a part of the text's, cut as somebody asked.
    """

    tokenizer: str
    ids: npt.NDArray[np.int32]
    is_whole: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class DocumentVector:
    """A document's vector `[dimension]` and the fingerprint of the encoder it is of."""

    encoder: str
    values: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Document:
    """A text with its id, title, metadata and place.

    The id is a string; an empty one is none, and whoever ranks or stores documents needs one: see `documents_of`.
    `metadata` comes back as the very object that went in. `tokens` and `vector` were made
    at index time; a scorer uses them only when its tokenizer or encoder is the same. Raises InputError for an id, a
    text or a title that is no string.
    """

    text: str
    doc_id: str = ""
    title: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)
    place: Place | None = None
    tokens: TokenIds | None = field(default=None, compare=False, repr=False)
    vector: DocumentVector | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.doc_id, str):
            check_id(self.doc_id, of=f" (the document begins with {self.text!r:.40})")
        if not (isinstance(self.text, str) and isinstance(self.title, str)):
            name, value = ("title", self.title) if isinstance(self.text, str) else ("text", self.text)
            raise InputError(
                f"document {self.doc_id or '?'}: the {name} must be a string, not {type(value).__name__}: {value!r:.80}"
            )

    @property
    def full_text(self) -> str:
        """Title and text as a scorer reads them: `title`, a line break, `text`."""
        return f"{self.title}\n{self.text}" if self.title else self.text

    @classmethod
    def of(cls, document: str | Mapping[str, Any] | Document, *, doc_id: str = "") -> Document:
        """Take a string or a mapping with `text` (and optionally `doc_id` or `id`, `title`, `metadata`) for a document.

        Other keys of a mapping are metadata too; of those that are there twice, what `metadata` says holds. Another
        library's document, with `page_content` and `metadata`, is taken as well. An id is a string, or a whole number
        or a UUID, which are written out. `doc_id` names a document that has no id, or an empty one. Raises
        InputError for anything else.
        """
        if isinstance(document, Document):
            return document if document.doc_id else replace(document, doc_id=doc_id)
        if isinstance(document, str):
            return cls(document, doc_id)
        document = _as_mapping(document)
        if not isinstance(document, Mapping):
            raise InputError(
                f"a document must be a string, a mapping with 'text', or a Document, not {_type_name(document)}"
                f" (document {doc_id or '?'})"
            )
        text, title = document.get("text"), document.get("title") or ""
        if not isinstance(text, str) or not isinstance(title, str):
            raise InputError(
                f"document {doc_id or '?'}: 'text' must be a string (and 'title', if given);"
                f" got text={type(text).__name__} with keys {sorted(map(str, document))[:8]}"
            )
        own = _own_id(document, doc_id)
        rest = {k: v for k, v in document.items() if k not in {"text", "title", *_ID_FIELDS}}
        if isinstance(document.get("metadata"), Mapping):
            metadata = rest.pop("metadata")
            rest = {**rest, **metadata} if rest else metadata
        return cls(text, own or doc_id, title, rest)


def documents_of(documents: Iterable[str | Mapping[str, Any] | Document]) -> tuple[Document, ...]:
    """Take strings, mappings or documents; those without an id are named by their place, from 0.

    Where another document has that for its id, a "#" is put before it. Raises InputError when given a single string
    or a data frame, and names the place of a bad one.
    """
    if isinstance(documents, str | bytes | Mapping):
        raise InputError("documents must be a list of documents, not a single one; put it in a list: [document]")
    columns = getattr(documents, "columns", None)  # over a frame one goes by column; a database's rows have a method
    is_listed = isinstance(documents, Iterable) or hasattr(documents, "__getitem__")
    if (columns is not None and not callable(columns)) or not is_listed:
        raise InputError(
            f"documents must be a list of documents, not {_type_name(documents)}; of a data frame give one column"
            " (frame['text']) or its rows (frame.to_dict('records'))"
        )
    given = list(documents)
    taken = {_given_id(document, place) for place, document in enumerate(given)}
    return tuple(Document.of(document, doc_id=_free(str(place), taken)) for place, document in enumerate(given))


def check_id(doc_id: object, *, of: str = "") -> None:
    """Raise InputError for a document's id that is no string; `of` says which document's."""
    if not isinstance(doc_id, str):
        raise InputError(
            f"a document's id must be a string, not {type(doc_id).__name__}: {doc_id!r:.80}; write it as one{of}"
        )


def check_ids(doc_ids: Sequence[object]) -> None:
    """Raise InputError for what is no list of documents' ids."""
    if isinstance(doc_ids, str):
        raise InputError(f"doc_ids must be a list of ids, not the string {doc_ids!r:.80}; put it in a list")
    for doc_id in doc_ids:
        check_id(doc_id)


_ID_FIELDS = ("doc_id", "id", "_id")


def _given_id(document: object, place: int) -> str:
    if isinstance(document, Document):
        return document.doc_id
    document = _as_mapping(document)
    return _own_id(document, str(place)) if isinstance(document, Mapping) else ""


def _as_mapping(document: Any) -> Any:
    """Return another library's document as a mapping, and everything else as it is."""
    text, metadata = getattr(document, "page_content", None), getattr(document, "metadata", None)
    if not isinstance(text, str) or not isinstance(metadata, Mapping):
        return document
    return {"text": text, "id": getattr(document, "id", None), "metadata": metadata}


def _type_name(value: object) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _own_id(document: Mapping[str, Any], where: str) -> str:
    """Return the id that a mapping has, the first of its fields; empty when it has none."""
    name = next((name for name in _ID_FIELDS if document.get(name) not in (None, "")), None)
    own = None if name is None else document[name]
    if isinstance(own, bool) or not isinstance(own, str | Integral | UUID | None):
        what = f"must be a string, a whole number or a UUID, not {type(own).__name__}: {own!r:.80}"
        raise InputError(f"document {where or '?'}: {name!r} {what}; write it as a string")
    return "" if own is None else str(own)


def _free(name: str, taken: Set[str]) -> str:
    while name in taken:
        name = f"#{name}"
    return name
