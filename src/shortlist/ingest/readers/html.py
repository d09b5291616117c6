"""HTML pages."""

from __future__ import annotations

import re
from collections.abc import Iterator

from shortlist.ingest.decode import decode
from shortlist.ingest.events import Problem
from shortlist.ingest.source import SourceFile
from shortlist.passages.structure import Kind, cut
from shortlist.types import Document

_CHARSET = re.compile(rb"charset\s{0,9}=\s{0,9}[\"']?([\w.:-]{1,40})", re.IGNORECASE)
_PRESCAN = 1024  # bytes; https://html.spec.whatwg.org/#determining-the-character-encoding


def html(file: SourceFile) -> Iterator[Document | Problem]:
    """Yield the page's passages, with their lines in the file."""
    data = file.read()
    charset = _CHARSET.search(data[:_PRESCAN])
    text, problems = decode(data, declared=charset[1].decode("ascii") if charset else "")
    yield from problems
    kind = Kind.XHTML if file.name.lower().endswith(".xhtml") else Kind.HTML
    for number, passage in enumerate(cut(text, kind=kind, size=file.recipe.size), 1):
        yield file.document(passage, number, format="html")
