"""A JSON value with the path to it, read strictly."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import nsmallest
from typing import Any

from shortlist.errors import WireError

LARGEST = 3.4028234663852886e38  # of fp32


@dataclass(frozen=True, slots=True)
class At:
    """A value and its path, as in `$.results[2].index`. Every reading raises WireError that names the path."""

    value: Any
    path: str = "$"

    def wrong(self, expected: str) -> WireError:
        """Return the error that says what came here and what was expected."""
        shown = _SHORT.repr(self.value)
        return WireError(f"{self.path}: expected {expected}, got {shown} ({type(self.value).__name__})")

    def __getitem__(self, name: str) -> At:
        """Return a member that must be there."""
        self._object()
        if name not in self.value:
            raise WireError(f"{self.path}.{name}: missing; {self.path} has {_names(self.value)}")
        return At(self.value[name], f"{self.path}.{name}")

    def get(self, name: str) -> At | None:
        """Return a member that may be absent; null counts as absent."""
        self._object()
        value = self.value.get(name)
        return None if value is None else At(value, f"{self.path}.{name}")

    def only(self, known: Iterable[str]) -> At:
        """Return this object when it has no member but the known ones."""
        self._object()
        unknown = set(self.value) - set(known)
        if unknown:
            known = ", ".join(sorted(known))
            raise WireError(f"{self.path}.{min(unknown)}: unknown field; known are {known}")
        return self

    def items(self) -> Iterator[At]:
        """Return the elements of a list."""
        if not isinstance(self.value, list):
            raise self.wrong("a list")
        return (At(value, f"{self.path}[{place}]") for place, value in enumerate(self.value))

    def text(self) -> str:
        """Return a string."""
        if not isinstance(self.value, str):
            raise self.wrong("a string")
        return self.value

    def truth(self) -> bool:
        """Return true or false."""
        if not isinstance(self.value, bool):
            raise self.wrong("true or false")
        return self.value

    def whole(self, least: int = 0, most: float = math.inf) -> int:
        """Return a whole number from `least` to `most`; 5.0 is one too, as JSON Schema has it."""
        value = self.value
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.wrong(f"a whole number from {least}" + (f" to {most}" if most < math.inf else ""))
        return value

    def number(self) -> float:
        """Return a finite number."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self.wrong("a number")
        try:
            found = float(self.value)
        except OverflowError:  # a whole number of 400 digits
            found = math.inf
        if not abs(found) <= LARGEST:
            raise self.wrong("a finite number that fits into fp32")
        return found

    def is_object(self) -> bool:
        """Say whether this is an object."""
        return isinstance(self.value, dict)

    def _object(self) -> None:
        if not isinstance(self.value, dict):
            raise self.wrong("an object")


# bounded in depth and width: what comes in may be nested as deep as the parser allows, or a hundred megabytes long
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60
_SHORT.maxlevel = 2


def text_or(at: At | None, default: str = "") -> str:
    """Return the string at an optional place."""
    return default if at is None else at.text()


def whole_or_none(at: At | None, *, least: int = 0, most: float = math.inf) -> int | None:
    """Return the whole number at an optional place."""
    return None if at is None else at.whole(least, most)


def truth_or_none(at: At | None) -> bool | None:
    """Return the truth value at an optional place."""
    return None if at is None else at.truth()


def said(**members: Any) -> dict[str, Any]:
    """Return an object of the members that say something: those that are None or empty are left out."""
    return {name: value for name, value in members.items() if value is not None and value not in ("", [])}


def _names(value: dict[str, Any]) -> str:
    return ", ".join(nsmallest(12, map(str, value))) or "no members"
