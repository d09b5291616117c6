"""Users' training data: JSONL rows of queries and passages, read and checked row by row."""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shortlist.errors import InputError

_SHAPES = (
    "a row is a JSON object with 'query' and either 'passage' (with 'label' from 0, default 1, and 'score' of a"
    " teacher if there is one), or 'positive' (a text or a list) with 'negatives' (a list) and 'scores' (one for each"
    " passage, the positives first), or 'passages' with 'labels' or 'teacher'"
)
_FORMS = {  # the field that tells a form -> what else it may have; the first one that a row has is taken
    "passages": {"labels", "teacher", "scores"},
    "positive": {"negatives", "scores"},
    "passage": {"label", "title", "score"},
}
_READ = {"query", *_FORMS, *(name for fields in _FORMS.values() for name in fields)}
_PASSED_OVER = {"source", "lexical", "offset", "others"}  # of `groups.Group`, which `PermutationRecorder` writes whole
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Judged:
    """A passage with its label from 0 (not relevant), a teacher's score if there is one, and its row, from 1."""

    text: str
    label: float
    score: float | None
    row: int


@dataclass(slots=True)
class Asked:
    """A query with every passage that the data say something about, in their order."""

    query: str
    passages: list[Judged] = field(default_factory=list)

    @property
    def relevant(self) -> list[Judged]:
        """The passages with a label above 0."""
        return [one for one in self.passages if one.label > 0]


@dataclass(slots=True)
class Examples:
    """All queries of some files in their order, how many rows they were, and what was found wrong but can be borne."""

    asked: list[Asked]
    rows: int
    warnings: list[str]


def read_rows(files: Sequence[Path]) -> list[tuple[str, int, Any]]:
    """Read JSONL files, gzipped or not: file name, row from 1, value. Blank lines are passed over.

    Raises InputError for a file that is not there or no JSONL in UTF-8, naming the first rows that are none.
    """
    found: list[tuple[str, int, Any]] = []
    broken: list[str] = []
    for file in files:
        for number, line in _lines(file):
            value, error = _value(line)
            if error:
                broken.append(f"{file.name} row {number}: {error}")
            found.append((file.name, number, value))
    if broken:
        raise InputError(f"{len(broken)} rows are no valid JSON in UTF-8: {listed(broken)}")
    if not found:
        raise InputError(f"there are no rows in {', '.join(map(str, files))}; {_SHAPES}")
    return found


def _value(line: bytes) -> tuple[Any, str]:
    try:
        return json.loads(line.decode("utf-8-sig")), ""
    except (ValueError, RecursionError) as error:
        return None, str(error)


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    opened = gzip.open if file.suffix == ".gz" else open
    try:
        with opened(file, "rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield number, line
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot read {file}: {error}") from error


def read_examples(files: Sequence[Path], *, evaluation: Sequence[Path] = ()) -> Examples:
    """Read training data; queries of the `evaluation` files (JSONL with 'query' or 'text') are left out.

    Raises InputError that names the rows when fields are missing or of a wrong type, and when
    nothing can be learned: no rows with text, all rows alike, no relevant passage at all.
    Everything else is a warning that names the rows: what is empty, repeated, contradictory,
    or asked in the evaluation too.
    """
    return _Reading(_evaluation_queries(evaluation)).read(files)


def _evaluation_queries(files: Sequence[Path]) -> set[str]:
    queries = set()
    for name, number, row in read_rows(files) if files else ():
        text = row.get("query", row.get("text")) if isinstance(row, Mapping) else None
        if not isinstance(text, str):
            raise InputError(
                f"{name} row {number}: an evaluation query is an object with 'query' or 'text'; got {row!r:.80}"
            )
        queries.add(folded(text))
    return queries


def folded(text: str) -> str:
    """Return a text as it is compared: lower case, white space folded, without marks at its end."""
    return " ".join(text.lower().split()).rstrip(" ?!.")


class _Reading:
    """Collects queries while it counts, by row, what is wrong."""

    def __init__(self, evaluation: set[str]) -> None:
        self._evaluation = evaluation
        self._asked: dict[str, Asked] = {}
        self._first: dict[str, str] = {}  # query -> where it is asked first
        self._places: dict[tuple[str, str], str] = {}  # query, passage -> where the pair is first
        self._noted: dict[str, list[str]] = {}
        self._wrong: list[str] = []

    def read(self, files: Sequence[Path]) -> Examples:
        rows = read_rows(files)
        for name, number, row in rows:
            where = f"{name} row {number}" if len(files) > 1 else f"row {number}"
            try:
                query, passages = parsed(row, number)
            except InputError as error:
                self._wrong.append(f"{where}: {error}")
                continue
            for name in sorted(map(str, row.keys() - _READ - _PASSED_OVER)):
                self._note(f"the field {name!r} is not read", where)
            self._take(where, query, passages)
        if self._wrong:
            raise InputError(f"{len(self._wrong)} of {len(rows)} rows cannot be used: {listed(self._wrong)}; {_SHAPES}")
        asked = [one for one in self._asked.values() if one.passages]
        self._check(asked, rows=len(rows))
        for ask in asked:
            if not ask.relevant:
                self._note("a query without a relevant passage teaches nothing", self._first[ask.query])
        return Examples(asked, len(rows), [f"{what}: {listed(places)}" for what, places in self._noted.items()])

    def _take(self, where: str, query: str, passages: Sequence[Judged]) -> None:
        if not query.strip():
            return self._note("the query is empty, the row was left out", where)
        if folded(query) in self._evaluation:
            return self._note("the query is one of the evaluation's, the row was left out", where)
        asked = self._asked.setdefault(query, Asked(query))
        self._first.setdefault(query, where)
        known = {one.text: one for one in asked.passages}
        for one in passages:
            if not one.text.strip():
                self._note("a passage is empty and was left out", where)
            elif one.text in known:
                same = known[one.text].label == one.label
                what = "a pair is repeated" if same else "a pair has another label than before, which is the one kept"
                self._note(what, f"{where} (as {self._places[query, one.text]})")
            else:
                if folded(one.text) == folded(query):
                    self._note("a passage is the query itself", where)
                known[one.text] = one
                self._places[query, one.text] = where
                asked.passages.append(one)
        return None

    def _note(self, what: str, where: str) -> None:
        self._noted.setdefault(what, []).append(where)

    def _check(self, asked: Sequence[Asked], *, rows: int) -> None:
        if not asked:
            why = "; ".join(f"{what}: {listed(places)}" for what, places in self._noted.items())
            raise InputError(f"of {rows} rows none is left to learn from: {why}")
        passages = {one.text for ask in asked for one in ask.passages}
        if rows > 1 and len(passages) == 1:
            raise InputError(
                f"all {rows} rows have the same passage, so there is nothing to tell apart: {passages.pop()!r:.80}"
            )
        if not any(ask.relevant for ask in asked):
            raise InputError(f"all labels of {rows} rows are 0: at least one passage must be relevant")


def parsed(row: Any, number: int) -> tuple[str, list[Judged]]:
    """Return a row's query and its passages; raises InputError that says what is wrong with it."""
    if not isinstance(row, Mapping):
        raise InputError(f"is no object but {type(row).__name__}")
    query = row.get("query")
    if not isinstance(query, str):
        raise InputError(f"has no text 'query'; its fields are {_fields(row)}")
    form = _form(row)
    texts = _texts(row, form)
    if form == "passages":
        scores = _numbers(row, "teacher", len(texts)) or _numbers(row, "scores", len(texts))
        labels = _numbers(row, "labels", len(texts)) or [1.0, *[0.0] * (len(texts) - 1)]
    elif form == "positive":
        negatives = _texts(row, "negatives") if row.get("negatives") is not None else []
        labels = [1.0] * len(texts) + [0.0] * len(negatives)
        texts += negatives
        scores = _numbers(row, "scores", len(texts))
    else:
        if len(texts) != 1:
            raise InputError(f"'passage' must be one text; got {len(texts)}. Lists go into 'positive' and 'negatives'")
        scores, labels = _numbers(row, "score", 1), _numbers(row, "label", 1) or [1.0]
        texts = [_title(row) + texts[0]]
    if not texts:
        raise InputError(f"has no passages: {form!r} is empty")
    if any(label < 0 for label in labels):
        raise InputError(f"has a label below 0: {min(labels):g}")
    given: Sequence[float | None] = scores or [None] * len(texts)
    return query, [Judged(t, a, s, number) for t, a, s in zip(texts, labels, given, strict=True)]


def _form(row: Mapping[str, Any]) -> str:
    """Return the field that tells a row's form; raises InputError for fields that have no part in it."""
    given = {name for name in _READ & row.keys() if row[name] not in (None, [])}
    form = next((name for name in _FORMS if name in given), None) or next((n for n in _FORMS if n in row), None)
    if form is None:
        raise InputError(f"has neither 'passage' nor 'positive' nor 'passages'; its fields are {_fields(row)}")
    if spare := given - {"query", form, *_FORMS[form]}:
        raise InputError(f"{_quoted(spare)} cannot stand beside {form!r}, which takes {_quoted(_FORMS[form])}")
    if {"teacher", "scores"} <= given:
        raise InputError("'teacher' and 'scores' are two names of the same; give one")
    for name in ("label", "labels"):
        if name in _FORMS[form] and name in row and row[name] is None:
            raise InputError(f"{name!r} is null; leave it out, or give it")
    return form


def _title(row: Mapping[str, Any]) -> str:
    title = row.get("title") or ""
    if not isinstance(title, str):
        raise InputError(f"'title' must be a text, not {title!r:.60}")
    return f"{title}\n" if title else ""


def _texts(row: Mapping[str, Any], name: str) -> list[str]:
    value = row[name]
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise InputError(f"{name!r} must be a text or a list of texts, not {value!r:.60}")
    return list(texts)


def _numbers(row: Mapping[str, Any], name: str, count: int) -> list[float]:
    value = row.get(name)
    if value is None or value == []:
        return []
    numbers = value if isinstance(value, list) else [value]
    largest = sys.float_info.max  # whole numbers may be above
    if len(numbers) != count or not all(isinstance(n, int | float) and abs(n) <= largest for n in numbers):
        wanted = "a finite number" if count == 1 else f"a list of {count} finite numbers, one for each passage"
        raise InputError(f"{name!r} must be {wanted}, not {value!r:.60}")
    return [float(n) for n in numbers]


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(map(repr, sorted(names)))


def _fields(row: Mapping[str, Any]) -> str:
    return ", ".join(sorted(map(str, row))[:10]) or "none"


def listed(places: Sequence[str]) -> str:
    """Return the first few of some places, and how many more there are."""
    more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    return "; ".join(places[:_SHOWN]) + more
