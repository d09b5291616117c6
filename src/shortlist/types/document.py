"""What is ranked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

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

    `metadata` comes back as the very object that went in. `tokens` and `vector` were made
    at index time; a scorer uses them only when its tokenizer or encoder is the same.
    """

    text: str
    doc_id: str = ""
    title: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)
    place: Place | None = None
    tokens: TokenIds | None = field(default=None, compare=False, repr=False)
    vector: DocumentVector | None = field(default=None, compare=False, repr=False)

    @property
    def full_text(self) -> str:
        """Title and text as a scorer reads them: `title`, a line break, `text`."""
        return f"{self.title}\n{self.text}" if self.title else self.text

    @classmethod
    def of(cls, document: str | Mapping[str, Any] | Document, *, doc_id: str = "") -> Document:
        """Take a string or a mapping with `text` (and optionally `doc_id` or `id`, `title`, `metadata`) for a document.

        Other keys of a mapping are kept as metadata when it has no `metadata` of its own.
        `doc_id` names a document that has no id. Raises InputError for anything else.
        """
        if isinstance(document, Document):
            return document
        if isinstance(document, str):
            return cls(document, doc_id)
        if not isinstance(document, Mapping):
            raise InputError(
                f"a document must be a string, a mapping with 'text', or a Document, not {type(document).__name__}"
                f" (document {doc_id or '?'})"
            )
        text, title = document.get("text"), document.get("title") or ""
        if not isinstance(text, str) or not isinstance(title, str):
            raise InputError(
                f"document {doc_id or '?'}: 'text' must be a string (and 'title', if given);"
                f" got text={type(text).__name__} with keys {sorted(map(str, document))[:8]}"
            )
        own = document.get("doc_id", document.get("id", document.get("_id")))
        rest = {k: v for k, v in document.items() if k not in {"text", "title", "doc_id", "id", "_id"}}
        metadata = document["metadata"] if isinstance(document.get("metadata"), Mapping) else rest
        return cls(text, str(own) if own is not None else doc_id, title, metadata)


def documents_of(documents: Iterable[str | Mapping[str, Any] | Document]) -> tuple[Document, ...]:
    """Take strings, mappings or documents; those without an id are named by their place, from 0.

    Raises InputError when given a single string, and names the place of a bad one.
    """
    if isinstance(documents, str | bytes | Mapping):
        raise InputError("documents must be a list of documents, not a single one; put it in a list: [document]")
    return tuple(Document.of(document, doc_id=str(i)) for i, document in enumerate(documents))
