"""Formats whose text stands in the file as it is: plain text, Markdown, source code and the like."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from shortlist.ingest.decode import decode
from shortlist.ingest.events import Problem
from shortlist.ingest.source import SourceFile
from shortlist.passages.structure import Kind, cut
from shortlist.types import Document


@dataclass(frozen=True, slots=True)
class TextReader:
    """Reads text of one kind of structure."""

    kind: Kind
    format: str

    def __call__(self, file: SourceFile) -> Iterator[Document | Problem]:
        """Yield the file's passages."""
        text, problems = decode(file.read())
        yield from problems
        for number, passage in enumerate(cut(text, kind=self.kind, size=file.recipe.size), 1):
            yield file.document(passage, number, format=self.format)


plain = TextReader(Kind.PLAIN, "text")
markdown = TextReader(Kind.MARKDOWN, "markdown")
rst = TextReader(Kind.RST, "rst")
code = TextReader(Kind.CODE, "code")
config = TextReader(Kind.CONFIG, "config")
