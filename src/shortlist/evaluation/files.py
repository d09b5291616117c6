"""Lines of a text file, plain or gzip, with errors that name file, line and remedy."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from shortlist.errors import InputError

Line = tuple[int, str]

_LARGEST = float(np.finfo(np.float32).max)


def read_lines(path: Path) -> Iterator[Line]:
    """Yield the lines that are not blank with their numbers from 1; `path.gz` is read where `path` is missing.

    Raises InputError for a missing file, a folder, a damaged gzip file, or text that is not UTF-8.
    """
    found = existing(path)
    number = 0
    try:
        with gzip.open(found, "rb") if found.suffix == ".gz" else found.open("rb") as stream:
            for raw in stream:
                number += 1
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
                if line.strip():
                    yield number, line
    except UnicodeDecodeError as error:
        raise at(found, number, f"is not UTF-8 ({error.reason})", "convert the file to UTF-8") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise at(found, number, f"then the gzip file is damaged ({error})", "fetch or pack it again") from error
    except OSError as error:
        raise InputError(f"cannot read {found}: {error.strerror}") from error


def existing(path: Path) -> Path:
    """Return the file, or the packed one beside it; raises InputError when there is neither."""
    packed = path.with_name(f"{path.name}.gz")
    if path.is_file():
        return path
    if packed.is_file():
        return packed
    kind = "is a folder, not a file" if path.is_dir() else "is missing"
    raise InputError(f"{path} {kind} (and there is no {packed.name}); check the path")


def is_jsonl(path: Path) -> bool:
    """Whether the file, or the packed one beside it, is JSONL by its name; raises as `existing` does."""
    return existing(path).name.removesuffix(".gz").endswith(".jsonl")


def read_objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the JSON object on each line with its number; raises InputError for a line that holds none."""
    for number, line in read_lines(path):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise at(path, number, f"is no valid JSON ({error})", "write one JSON object a line") from error
        if not isinstance(row, dict):
            raise at(path, number, f"holds {type(row).__name__}, not an object", "write one JSON object a line")
        yield number, row


def text_of(path: Path, number: int, row: dict[str, Any], *names: str) -> str:
    """Return the first of the fields that is there, a text or a whole number, as text."""
    for name in names:
        value = row.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value):
            return str(value)
    raise at(path, number, f"has no text in {' or '.join(map(repr, names))}; it has {sorted(row)[:8]}", "add it")


def whole_relevance(path: Path, number: int, value: object) -> int:
    """Read a grade: a whole number."""
    try:
        grade = float(str(value))
    except ValueError as error:
        raise at(path, number, f"has relevance {value!r}", "write a whole number") from error
    if not grade.is_integer():
        raise at(path, number, f"has relevance {value!r}", "grades are whole numbers; round or scale it to one")
    return int(grade)


def finite_score(path: Path, number: int, value: object) -> float:
    """Read a run's score, a number of single precision: runs are ordered by that."""
    try:
        score = float(str(value))
    except ValueError as error:
        raise at(path, number, f"has score {value!r}", "write a number") from error
    if not abs(score) <= _LARGEST:
        raise at(path, number, f"has score {value!r}, which cannot be ranked", f"write a number up to {_LARGEST:.0e}")
    return score


def at(path: Path, number: int, what: str, remedy: str) -> InputError:
    """Return the error about one line."""
    return InputError(f"{path}, line {number}: {what}; {remedy}")
