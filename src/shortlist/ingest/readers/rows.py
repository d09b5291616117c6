"""Rows of JSONL and tables: one document each, under its own id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from shortlist.ingest.events import Problem
from shortlist.ingest.source import SourceFile
from shortlist.passages.size import count_words
from shortlist.passages.structure import cut
from shortlist.types import Document, Place


@dataclass(slots=True)
class Rows:
    """Turns the rows of one file into documents and keeps their ids apart.

    A row over the maximum size is cut into passages `id#1`, `id#2`, ... if `is_cut`.
    """

    file: SourceFile
    format: str
    is_cut: bool = True
    _first_lines: dict[str, int] = field(default_factory=dict)

    def documents(self, row: Mapping[str, Any], line: int) -> Iterator[Document | Problem]:
        """Yield the row's document, or its passages, or the problem with it."""
        fields = self.file.recipe.fields
        id_field = next((name for name in fields.doc_id if row.get(name) not in (None, "")), "")
        if problem := self._problem(row, id_field):
            yield Problem(line, f"{problem}; the row was left out")
            return
        doc_id = str(row[id_field]) if id_field else f"{self.file.source}#{line}"
        if doc_id in self._first_lines:
            yield Problem(line, f"id {doc_id!r} is that of line {self._first_lines[doc_id]}; named by its line instead")
            doc_id = f"{self.file.source}#{line}"
        self._first_lines[doc_id] = line
        document = Document(row[fields.text], doc_id, row.get(fields.title) or "", self._metadata(row, id_field))
        yield from self._passages(document, line)

    def _problem(self, row: Mapping[str, Any], id_field: str) -> str:
        """Say why the row is no document, or nothing."""
        fields = self.file.recipe.fields
        text, title = row.get(fields.text), row.get(fields.title)
        if fields.text not in row:
            return f"there is no field {fields.text!r}; the row has {sorted(map(str, row))[:10]}"
        if not isinstance(text, str):
            return f"{fields.text!r} must be a string, not {type(text).__name__}"
        if not isinstance(title, str | None):
            return f"{fields.title!r} must be a string, not {type(title).__name__}"
        if id_field and (isinstance(row[id_field], bool) or not isinstance(row[id_field], str | int)):
            return f"{id_field!r} must be a string or a whole number, not {type(row[id_field]).__name__}"
        return "" if text.strip() or (title or "").strip() else f"{fields.text!r} is empty"

    def _metadata(self, row: Mapping[str, Any], id_field: str) -> dict[str, Any]:
        fields = self.file.recipe.fields
        used = {fields.text, fields.title, id_field}
        own = {name: value for name, value in row.items() if name not in used}
        nested = own.pop("metadata", None) if isinstance(own.get("metadata"), Mapping) else None
        return {"path": self.file.source, "format": self.format, **own, **(nested or {})}

    def _passages(self, document: Document, line: int) -> Iterator[Document]:
        place = Place(self.file.source, line, line, document.title)
        size = self.file.recipe.size
        if not self.is_cut or count_words(document.text) <= size.maximum:
            yield Document(document.text, document.doc_id, document.title, document.metadata, place)
            return
        for number, passage in enumerate(cut(document.text, size=size), 1):
            metadata = {**document.metadata, "row_id": document.doc_id}
            yield Document(passage.text, f"{document.doc_id}#{number}", document.title, metadata, place)
