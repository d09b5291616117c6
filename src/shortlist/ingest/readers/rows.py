"""Rows of JSONL and tables: one document each, under its own id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from shortlist.ingest.events import Problem
from shortlist.ingest.source import SourceFile
from shortlist.passages.size import count_words
from shortlist.passages.structure import cut
from shortlist.types import Document, Place


@dataclass(slots=True)
class Rows:
    """Turns the rows of one file into documents and keeps their ids apart, also from those of other sources.

    A row over the maximum size is cut into passages `id#1`, `id#2`, ... if `is_cut`. Where one
    of a row's ids is taken, the row is named by its line.
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
        by_line = f"{self.file.source}#{line}"
        doc_id = str(row[id_field]) if id_field else by_line
        document = Document(row[fields.text], doc_id, row.get(fields.title) or "", self._metadata(row, id_field))
        passages = self._passages(document, line)
        wanted = dict.fromkeys((doc_id, *(passage.doc_id for passage in passages)))
        if taken := next(filter(None, map(self._taken, wanted)), ""):
            yield Problem(line, f"{taken}; named by its line instead")
            document = replace(document, doc_id=by_line)
            passages = self._passages(document, line)
        self._first_lines |= dict.fromkeys((document.doc_id, *(passage.doc_id for passage in passages)), line)
        yield from passages

    def _taken(self, doc_id: str) -> str:
        """Say whose an id is already, or nothing."""
        if doc_id in self._first_lines:
            return f"id {doc_id!r} is that of line {self._first_lines[doc_id]}"
        owner = self.file.other_owner(doc_id)
        return "" if owner is None else f"id {doc_id!r} is that of {owner or 'a document that came from no file'}"

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

    def _passages(self, document: Document, line: int) -> list[Document]:
        place = Place(self.file.source, line, line, document.title)
        size = self.file.recipe.size
        if not self.is_cut or count_words(document.text) <= size.maximum:
            return [replace(document, place=place)]
        metadata = {**document.metadata, "row_id": document.doc_id}
        return [
            Document(passage.text, f"{document.doc_id}#{number}", document.title, metadata, place)
            for number, passage in enumerate(cut(document.text, size=size), 1)
        ]
