"""JSONL: one object a line; also the corpus of a BEIR folder."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from shortlist._json import finite_json
from shortlist.errors import InputError
from shortlist.ingest.decode import REPLACEMENT, UTF_8, encoding_of
from shortlist.ingest.events import Problem
from shortlist.ingest.readers.rows import Rows
from shortlist.ingest.source import MAX_BYTES, SourceFile
from shortlist.types import Document

ReadLine = Callable[[int], bytes]
"""Reads the next line, or so many bytes of it."""


@dataclass(frozen=True, slots=True)
class JsonLinesReader:
    """Reads JSONL as a stream; long rows are cut into passages if `is_cut`."""

    format: str
    is_cut: bool

    def __call__(self, file: SourceFile) -> Iterator[Document | Problem]:
        """Yield the documents of each line, and a problem for each line that is no document."""
        rows = Rows(file, self.format, self.is_cut)
        encoding, problems = encoding_of(file.open)
        yield from problems
        with file.open() as stream, _line_by_line(stream, encoding) as read_line:
            for number, line in _lines(read_line, file.source):
                try:
                    row, is_mended = parsed(line)
                except (ValueError, RecursionError) as error:
                    yield Problem(number, f"no valid JSON ({error}); the line was left out")
                    continue
                if is_mended:
                    yield Problem(number, "invalid UTF-8 was replaced by U+FFFD")
                if isinstance(row, dict):
                    yield from rows.documents(row, number)
                elif row is not None:
                    yield Problem(number, f"must be a JSON object, not {type(row).__name__}; the line was left out")


jsonl = JsonLinesReader("jsonl", is_cut=True)
# qrels judge whole documents, so a row of a BEIR corpus is never cut
beir = JsonLinesReader("beir", is_cut=False)


def parsed(line: bytes) -> tuple[Any, bool]:
    """Return the JSON value on a line (None if blank), and whether invalid UTF-8 in it was replaced.

    Raises ValueError, also for numbers that are not finite, or RecursionError.
    """
    if len(line) > MAX_BYTES:
        raise ValueError(f"longer than {MAX_BYTES // 10**6} MB")
    text = line.decode("utf-8-sig", errors="replace").strip()
    row = finite_json(text) if text else None
    if "\\ud" in text or "\\uD" in text:
        # half a surrogate pair is valid JSON but no text that can be stored
        row = json.loads(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace"))
    return row, REPLACEMENT in text and REPLACEMENT.encode() not in line


@contextmanager
def _line_by_line(stream: IO[bytes], encoding: str) -> Iterator[ReadLine]:
    """Give what reads the next line of a stream as UTF-8, whatever it is in."""
    if encoding == UTF_8:
        yield stream.readline
        return
    with io.TextIOWrapper(stream, encoding, errors="replace", newline="\n") as text:
        yield lambda limit: text.readline(limit).encode()


def _lines(read_line: ReadLine, source: str) -> Iterator[tuple[int, bytes]]:
    """Yield lines with their numbers; of a line that is far too long only the beginning."""
    number = 0
    try:
        while line := read_line(MAX_BYTES + 1):
            number += 1
            yield number, line
            while len(line) > MAX_BYTES and not line.endswith(b"\n"):
                line = read_line(MAX_BYTES + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{source} is a damaged gzip file after line {number} ({error})") from error
