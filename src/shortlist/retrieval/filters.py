"""Conditions on metadata: what a filter says, and what a document must store to be found by one.

    {"lang": "en"}                      equal; a list in the metadata matches by any element
    {"lang": ["en", "de"]}              one of these
    {"year": {"gte": 2019, "lt": 2024}} within bounds: gt, gte, lt, lte
    {"author.name": "Ada"}              a field inside a field
    {"place.path": "notes.md"}          the file a passage stands in, which is no metadata

Several fields must all match. Text, whole numbers, numbers, booleans and None are told
apart as in JSON, but 1 and 1.0 are equal, and text in the metadata that is a number, as all
numbers of a CSV are, is found as text and as number ("2019" and "-1.50", not "007" or "1e3").

A value is stored as a hash of its field and itself, so one integer index serves all
fields, and any field name and type works: the engine's own paths reject some names, and
its boolean match finds nothing (qdrant-edge 0.9.0).
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeGuard

import numpy as np

from shortlist.errors import InputError

Where = Mapping[str, Any]
"""A filter as the user writes it."""

PATH = "place.path"

_NUMERAL = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?")  # what a float holds

OPERATORS = ("gt", "gte", "lt", "lte")


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The document holds one of these terms."""

    terms: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Within:
    """The field has a number within all these bounds."""

    number: str
    bounds: Mapping[str, float]


Condition = AnyOf | Within


@dataclass(frozen=True, slots=True)
class Facets:
    """What a document stores so that filters find it: terms for equality, numbers by field for bounds."""

    terms: tuple[int, ...]
    numbers: Mapping[str, list[float]]


def parse(where: Where | None) -> tuple[Condition, ...]:
    """Read a filter; all conditions must hold. None and an empty filter give none.

    Raises InputError for anything that the module's first lines do not show.
    """
    if where is None:
        return ()
    if not isinstance(where, Mapping):
        raise InputError(f"a filter must be a mapping such as {{'lang': 'en'}}, not {where!r:.80}")
    return tuple(_condition(field, wanted) for field, wanted in where.items())


def facets(metadata: Mapping[str, Any], *, path: str | None = None) -> Facets:
    """Return what a document with this metadata stores; `path` is that of its place."""
    terms: dict[int, None] = {} if path is None else {_term(PATH, path): None}
    numbers: dict[str, list[float]] = {}
    for field, value in _leaves(metadata, ""):
        for meant in (value, *_number_in(value)):
            terms[_term(field, meant)] = None
            if _is_number(meant):
                numbers.setdefault(_number(field), []).append(float(meant))
    return Facets(tuple(terms), numbers)


def _condition(field: str, wanted: Any) -> Condition:
    if not isinstance(field, str):
        raise InputError(f"a filter's field must be a string, not {field!r:.80}")
    if isinstance(wanted, Mapping):
        return Within(_number(field), _bounds(field, wanted))
    values = wanted if isinstance(wanted, Sequence) and not isinstance(wanted, str | bytes) else [wanted]
    values = [value.item() if isinstance(value, np.generic) else value for value in values]
    if not values:
        raise InputError(f"the filter on {field!r} is an empty list and could match nothing; leave the field out")
    for value in values:
        if not isinstance(value, str | bool | int | float | None):
            raise InputError(f"the filter on {field!r} wants {value!r:.80}; give text, a number, a boolean or None")
    return AnyOf(tuple(_term(field, value) for value in values))


def _bounds(field: str, wanted: Mapping[Any, Any]) -> dict[str, float]:
    unknown = [operator for operator in wanted if operator not in OPERATORS]
    if unknown or not wanted:
        raise InputError(
            f"the filter on {field!r} has the operators {list(wanted)!r:.80}; known are {', '.join(OPERATORS)}"
        )
    for operator, bound in wanted.items():
        if not _is_number(bound):
            raise InputError(f"the filter on {field!r} has {operator}={bound!r:.80}; bounds must be finite numbers")
    return {operator: float(bound) for operator, bound in wanted.items()}


def _leaves(value: Any, field: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{field}.{key}" if field else str(key))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner, field)
    else:
        yield field, value


def _is_number(value: Any) -> TypeGuard[int | float]:
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond the range of a float
        return False


def _number_in(value: Any) -> tuple[float, ...]:
    """Return the number that a text is, if it is one and not, like a postal code, a row of digits."""
    return (float(value),) if isinstance(value, str) and _NUMERAL.fullmatch(value) else ()


def _term(field: str, value: Any) -> int:
    same = int(value) if isinstance(value, float) and value.is_integer() else value
    digest = hashlib.blake2b(json.dumps([field, same]).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _number(field: str) -> str:
    # a name that any path syntax takes; surrogatepass: a field's name may be any string
    return "f" + field.encode("utf-8", "surrogatepass").hex()
