"""CSV and TSV: one document a row, columns named by the first row."""

from __future__ import annotations

import csv as csv_module
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from shortlist.errors import InputError
from shortlist.ingest.decode import REPLACEMENT
from shortlist.ingest.events import Problem
from shortlist.ingest.readers.rows import Rows
from shortlist.ingest.source import MAX_BYTES, SourceFile
from shortlist.types import Document


@dataclass(frozen=True, slots=True)
class TableReader:
    """Reads a table as a stream.

    In CSV the delimiter is whichever of comma, semicolon and tab the first line has most
    of, and quotes may hold line ends. In TSV a tab always delimits and a line is a row,
    so that a stray quote cannot swallow the rows after it.
    """

    format: str

    def __call__(self, file: SourceFile) -> Iterator[Document | Problem]:
        """Yield the documents of each row. Raises InputError when there is no text column."""
        # this limit is the process's; it is only ever raised
        csv_module.field_size_limit(max(MAX_BYTES, csv_module.field_size_limit()))
        rows = Rows(file, self.format)
        with file.open() as raw, io.TextIOWrapper(raw, "utf-8-sig", errors="replace", newline="") as stream:
            try:
                yield from self._rows(stream, rows)
            except (gzip.BadGzipFile, EOFError, zlib.error) as error:
                raise InputError(f"{file.source} is a damaged gzip file ({error})") from error

    def _rows(self, stream: io.TextIOWrapper, rows: Rows) -> Iterator[Document | Problem]:
        first = stream.readline(MAX_BYTES)
        if not first.strip():
            return
        parse = _tsv_cells if self.format == "tsv" else _csv_cells
        columns = next(cells for _, cells in parse(iter([first]), first) if not isinstance(cells, Problem))
        _check_columns(columns, rows.file)
        for line, cells in parse(iter(stream), first):
            number = line + 1  # the first row has been read
            if isinstance(cells, Problem):
                yield Problem(number, cells.message)
            elif any(cell.strip() for cell in cells):
                if any(REPLACEMENT in cell for cell in cells):
                    yield Problem(number, "invalid UTF-8 was replaced by U+FFFD")
                yield from rows.documents(dict(zip(columns, cells, strict=False)), number)


csv = TableReader("csv")
tsv = TableReader("tsv")


def _csv_cells(lines: Iterator[str], first: str) -> Iterator[tuple[int, list[str] | Problem]]:
    """Yield each row's cells with the number of its first line."""
    delimiter = max(",;\t", key=first.count)
    reader = csv_module.reader(lines, delimiter=delimiter)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv_module.Error as error:
            yield line, Problem(line, f"no valid CSV ({error}); the row was left out")
            continue
        yield line, cells


def _tsv_cells(lines: Iterator[str], first: str) -> Iterator[tuple[int, list[str] | Problem]]:
    for line, row in enumerate(lines, 1):
        yield line, [_unquoted(cell) for cell in row.rstrip("\r\n").split("\t")]


def _unquoted(cell: str) -> str:
    is_quoted = len(cell) >= 2 and cell[0] == cell[-1] == '"'
    return cell[1:-1].replace('""', '"') if is_quoted else cell


def _check_columns(columns: list[str], file: SourceFile) -> None:
    wanted = file.recipe.fields.text
    if wanted not in columns:
        raise InputError(
            f"{file.source} has no column {wanted!r}; its columns are {columns[:30]}. Say which of them holds the text"
        )
