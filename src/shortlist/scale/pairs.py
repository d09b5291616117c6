"""Pairs of a query and a document in a file, cut into parts that can be read by themselves.

A row has `query` and `text`, and if there are any `query_id`, `doc_id` and `title`, as columns of a Parquet file or
keys of a JSON object a line. Rows of one query should follow one another: they share the work of reading the query.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shortlist._optional import require
from shortlist.errors import InputError

COLUMNS = ("query_id", "query", "doc_id", "title", "text")
FORMATS = (".jsonl", ".parquet")


@dataclass(frozen=True, slots=True)
class Pair:
    """A row: what is scored, and what its score goes by."""

    query: str
    text: str
    query_id: str = ""
    doc_id: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """Some consecutive rows of a file: from a place on (a byte, or a row group), after `skip` rows there, so many.

    `first_row` counts from 1 through the whole file, for messages.
    """

    number: int
    path: str
    place: int
    skip: int
    rows: int
    first_row: int


def parts_of(path: Path, *, rows: int) -> list[Part]:
    """Cut a file into parts of at most so many rows. Raises InputError for another format, or a file without rows."""
    if rows < 1:
        raise InputError(f"a part must have at least one row, got {rows}")
    if not path.is_file():
        raise InputError(f"there is no file {path}; pairs come from one file ending in {' or '.join(FORMATS)}")
    cuts = {".jsonl": _cut_lines, ".parquet": _cut_groups}
    if path.suffix not in cuts:
        raise InputError(f"pairs are read from {' or '.join(FORMATS)}, not from {path.name}")
    parts: list[Part] = []
    first = 1
    for place, skip, count in cuts[path.suffix](path, rows):
        parts.append(Part(len(parts), str(path), place, skip, count, first))
        first += count
    if not parts:
        raise InputError(f"{path} holds no pairs; is it the right file?")
    return parts


def read_part(part: Part) -> list[Pair]:
    """Return a part's pairs. Raises InputError that names the file and the row."""
    path = Path(part.path)
    rows = _lines(path, part) if path.suffix == ".jsonl" else _group_rows(path, part)
    found = [_pair(row, path, part.first_row + offset) for offset, row in enumerate(rows)]
    if len(found) != part.rows:
        raise InputError(
            f"{path} had {part.rows} rows from row {part.first_row} on and has {len(found)}; it was changed"
        )
    return found


def _cut_lines(path: Path, rows: int) -> Iterator[tuple[int, int, int]]:
    with path.open("rb") as stream:
        place, start, count = 0, 0, 0
        for line in stream:
            place += len(line)
            count += bool(line.strip())
            if count == rows:
                yield start, 0, count
                start, count = place, 0
        if count:
            yield start, 0, count


def _cut_groups(path: Path, rows: int) -> Iterator[tuple[int, int, int]]:
    with _parquet(path) as file:
        counts = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
    for group, total in enumerate(counts):
        for skip in range(0, total, rows):
            yield group, skip, min(rows, total - skip)


def _lines(path: Path, part: Part) -> Iterator[Mapping[str, Any]]:
    with path.open("rb") as stream:
        stream.seek(part.place)
        filled = (line for line in stream if line.strip())
        for offset, line in enumerate(itertools.islice(filled, part.rows)):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InputError(f"{path}, row {part.first_row + offset}: is no valid JSON ({error})") from error
            if not isinstance(row, dict):
                raise InputError(f"{path}, row {part.first_row + offset}: holds {type(row).__name__}, not an object")
            yield row


def _group_rows(path: Path, part: Part) -> Iterator[Mapping[str, Any]]:
    with _parquet(path) as file:
        there = [name for name in COLUMNS if name in file.schema_arrow.names]
        batches = file.iter_batches(batch_size=4096, row_groups=[part.place], columns=there)
        rows = itertools.chain.from_iterable(batch.to_pylist() for batch in batches)
        try:
            yield from itertools.islice(rows, part.skip, part.skip + part.rows)
        except (OSError, ValueError) as error:
            raise InputError(f"{path}, from row {part.first_row} on: cannot be read as Parquet ({error})") from error


def _parquet(path: Path) -> Any:
    parquet = require("pyarrow.parquet", extra="ray")
    try:
        return parquet.ParquetFile(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as Parquet: {error}") from error


def _pair(row: Mapping[str, Any], path: Path, number: int) -> Pair:
    values: dict[str, str] = {}
    for name in COLUMNS:
        value = row.get(name)
        if value is None and name not in ("query", "text"):
            continue
        if isinstance(value, int) and not isinstance(value, bool) and name.endswith("_id"):
            value = str(value)
        if not isinstance(value, str):
            raise InputError(f"{path}, row {number}: {name!r} must be a text, got {value!r:.60}")
        values[name] = value
    if not values["query"].strip():
        raise InputError(f"{path}, row {number}: 'query' is empty")
    return Pair(**values)
