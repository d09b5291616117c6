"""How files become documents: passage sizes and the names of fields."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from shortlist.passages.size import PassageSize

_VERSION = 2  # raise it when the cutting changes, so that indexes read their files again
DEFAULT_ID_FIELDS = ("_id", "id", "doc_id")


@dataclass(frozen=True, slots=True)
class RowFields:
    """The fields (JSONL) or columns (CSV, TSV) that hold a row's text, title and id; the rest is metadata.

    Of `doc_id` the first that a row has is taken; a row without any is named by its line.
    """

    text: str = "text"
    title: str = "title"
    doc_id: tuple[str, ...] = DEFAULT_ID_FIELDS


@dataclass(frozen=True, slots=True)
class Recipe:
    """All choices that change what documents a file gives."""

    size: PassageSize = field(default_factory=PassageSize)
    fields: RowFields = field(default_factory=RowFields)

    @property
    def fingerprint(self) -> str:
        """Equal fingerprints make equal documents of equal files."""
        return hashlib.sha256(f"{_VERSION} {self!r}".encode()).hexdigest()[:16]


DEFAULT_RECIPE = Recipe()
