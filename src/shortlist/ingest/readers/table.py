"""CSV and TSV: one document a row, columns named by the first row."""

from __future__ import annotations

import csv as csv_module
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from shortlist.errors import InputError
from shortlist.ingest.decode import REPLACEMENT, encoding_of
from shortlist.ingest.events import Problem
from shortlist.ingest.readers.rows import Rows
from shortlist.ingest.source import MAX_BYTES, SourceFile
from shortlist.types import Document


@dataclass(frozen=True, slots=True)
class TableReader:
    """Reads a table as a stream.

    The first row that is not blank names the columns; cells beyond them are reported. In CSV
    the delimiter is whichever of comma, semicolon and tab its first line has most of, and quotes
    may hold line ends. In TSV a tab always delimits and a line is a row,
    so that a stray quote cannot swallow the rows after it.
    """

    format: str

    def __call__(self, file: SourceFile) -> Iterator[Document | Problem]:
        """Yield the documents of each row. Raises InputError when columns share a name or there is none of text."""
        # this limit is the process's; it is only ever raised
        csv_module.field_size_limit(max(MAX_BYTES, csv_module.field_size_limit()))
        rows = Rows(file, self.format)
        encoding, problems = encoding_of(file.open)
        yield from problems
        with file.open() as raw, io.TextIOWrapper(raw, encoding, errors="replace", newline="") as stream:
            try:
                yield from self._rows(stream, rows)
            except (gzip.BadGzipFile, EOFError, zlib.error) as error:
                raise InputError(f"{file.source} is a damaged gzip file ({error})") from error

    def _rows(self, stream: io.TextIOWrapper, rows: Rows) -> Iterator[Document | Problem]:
        lines = enumerate(iter(lambda: stream.readline(MAX_BYTES), ""), 1)
        first_line, first = next(((number, line) for number, line in lines if line.strip()), (0, ""))
        if not first:
            return
        parse = _tsv_cells if self.format == "tsv" else _csv_cells
        found = parse(chain([first], stream), first)
        columns = next((cells for _, cells in found if not isinstance(cells, Problem)), [])
        while columns and not columns[-1].strip():
            columns.pop()
        _check_columns(columns, rows.file)
        for line, cells in found:
            number = first_line + line - 1
            if isinstance(cells, Problem):
                yield Problem(number, cells.message)
            elif any(cell.strip() for cell in cells):
                if any(REPLACEMENT in cell for cell in cells):
                    yield Problem(number, "invalid UTF-8 was replaced by U+FFFD")
                if any(cell.strip() for cell in cells[len(columns) :]):
                    yield Problem(number, f"{len(cells)} cells for {len(columns)} columns; {self._advice}")
                named = zip(columns, cells, strict=False)
                yield from rows.documents({name: cell for name, cell in named if name.strip()}, number)

    @property
    def _advice(self) -> str:
        cell = "no cell can hold a tab" if self.format == "tsv" else "a cell that holds the delimiter must be quoted"
        return f"those beyond the last column were left out; {cell}"


csv = TableReader("csv")
tsv = TableReader("tsv")


def _csv_cells(lines: Iterator[str], first: str) -> Iterator[tuple[int, list[str] | Problem]]:
    """Yield each row's cells with the number of its first line."""
    delimiter = max(",;\t", key=first.count)
    last = [""]
    reader = csv_module.reader(_remembered(lines, last), delimiter=delimiter)
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
        # the line that closes a quote has an odd number of them, and does not stand in the cell as it is
        if reader.line_num > line and cells[-1].endswith(last[0]) and last[0].count('"') % 2 == 0:
            yield (
                line,
                Problem(line, "a quote is never closed, so that all lines behind it are in this row's last cell"),
            )


def _remembered(lines: Iterator[str], last: list[str]) -> Iterator[str]:
    """Yield lines and keep the latest one in `last`."""
    for line in lines:
        last[0] = line
        yield line


def _tsv_cells(lines: Iterator[str], first: str) -> Iterator[tuple[int, list[str] | Problem]]:
    for line, row in enumerate(lines, 1):
        yield line, [_unquoted(cell) for cell in row.rstrip("\r\n").split("\t")]


def _unquoted(cell: str) -> str:
    is_quoted = len(cell) >= 2 and cell[0] == cell[-1] == '"'
    return cell[1:-1].replace('""', '"') if is_quoted else cell


def _check_columns(columns: list[str], file: SourceFile) -> None:
    twice = sorted({name for name in columns if name.strip() and columns.count(name) > 1})
    if twice:
        raise InputError(f"{file.source} has several columns of the name {', '.join(map(repr, twice))}; rename them")
    wanted = file.recipe.fields.text
    if wanted not in columns:
        raise InputError(
            f"{file.source} has no column {wanted!r}; its columns are {columns[:30]}."
            " Say which of them holds the text: --text-field, in Python RowFields(text=...)"
        )
