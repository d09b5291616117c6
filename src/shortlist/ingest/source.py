"""One file to read, and what a reader of a format must do."""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol, cast

from shortlist.errors import InputError
from shortlist.ingest.events import Fingerprint, Problem
from shortlist.ingest.recipe import DEFAULT_RECIPE, Recipe
from shortlist.passages.structure import Passage
from shortlist.types import Document, Place

MAX_BYTES = 100_000_000  # for formats that are read as a whole; rows are streamed, whatever their number
_BLOCK = 1 << 20

Owner = Callable[[str], str | None]
"""A doc_id in, the source that has it in the index out: None when there is none, '' when it came from no file."""


def nobody(_: str) -> str | None:
    """Say of every id that it is free, as in an empty index."""
    return None


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file under the name by which an index knows it (`source`, printable and with forward slashes).

    `owner` tells whose an id is; `gave_way_to` gathers the other sources that were found so.
    """

    path: Path
    source: str
    recipe: Recipe = DEFAULT_RECIPE
    owner: Owner = nobody
    gave_way_to: set[str] = field(default_factory=set, compare=False)

    @property
    def name(self) -> str:
        """The last part of the source."""
        return self.source.rsplit("/", 1)[-1]

    def open(self) -> IO[bytes]:
        """Open the file, unpacked if its name ends with .gz."""
        is_packed = self.name.lower().endswith(".gz")
        return cast("IO[bytes]", gzip.open(self.path, "rb")) if is_packed else self.path.open("rb")

    def read(self) -> bytes:
        """Return the whole content; raises InputError when it is over 100 MB."""
        with self.open() as stream:
            data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise InputError(f"{self.source} is over {MAX_BYTES // 10**6} MB; split it, or turn it into JSONL")
        return data

    def other_owner(self, doc_id: str) -> str | None:
        """Return the other source that has this id, and remember it, or None when this file may have it."""
        owner = self.owner(doc_id)
        if owner is None or owner == self.source:
            return None
        self.gave_way_to.add(owner)
        return owner

    def document(self, passage: Passage, number: int, *, format: str, **metadata: Any) -> Document:
        """Make the file's passage of this number, from 1, a document.

        Its id is `source#number`: it stays the same until the file changes, and then all of
        the file's passages are replaced. Its title is its heading, or the file's name.
        """
        return Document(
            passage.text,
            doc_id=f"{self.source}#{number}",
            title=passage.heading or self.name,
            metadata={"path": self.source, "format": format, **metadata},
            place=Place(self.source, passage.first_line, passage.last_line, passage.heading),
        )


class Reader(Protocol):
    """Reads one format."""

    def __call__(self, file: SourceFile) -> Iterator[Document | Problem]:
        """Yield documents, and problems that did not keep the rest from being read.

        The order and the ids must be the same on every reading of the same content. Raises
        InputError when nothing of the file can be used, OSError when it cannot be read.
        """
        ...


def fingerprint(file: SourceFile) -> Fingerprint:
    """Return the file's fingerprint; all of it is read. Raises OSError."""
    digest = hashlib.sha256()
    with file.path.open("rb") as stream:
        stat = os.fstat(stream.fileno())
        while block := stream.read(_BLOCK):
            digest.update(block)
    return Fingerprint(stat.st_size, stat.st_mtime_ns, digest.hexdigest(), file.recipe.fingerprint)
