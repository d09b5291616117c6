"""A model with its options as one text: `name[option=value,...]`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from shortlist._json import finite_json
from shortlist.errors import InputError

_WITH_OPTIONS = re.compile(r"(?P<name>.+)\[(?P<options>[^\[\]]*=[^\[\]]*)\]", re.DOTALL)


def split_options(text: str) -> tuple[str, dict[str, Any]]:
    """Return the name and the options' values; a text that ends in no `[option=value]` is a name alone."""
    found = _WITH_OPTIONS.fullmatch(text)
    if found is None:
        if text.endswith("]") and "=" in text.partition("[")[2]:
            raise InputError(
                f"{text!r}: cannot read the options; write name[option=value,...], without brackets inside"
            )
        return text, {}
    return found["name"].strip(), _values(read_options(found["options"], text))


def read_options(inner: str, text: str) -> dict[str, str]:
    """Read what stands between the brackets of `text`; raises InputError that shows what cannot be read."""
    options: dict[str, str] = {}
    for pair in filter(None, map(str.strip, inner.split(","))):
        key, equals, value = (side.strip() for side in pair.partition("="))
        if not equals or not key or not value or key in options:
            raise InputError(f"{text!r}: cannot read the option {pair!r}; write option=value, each option once")
        options[key] = value
    return options


def _values(options: Mapping[str, str]) -> dict[str, Any]:
    """Return the values that were spelt: those of JSON (20, 0.5, true, null, "20"), else the text as it is.

    `budget.calls=20` is a part of the option `budget`, which becomes a dictionary of its parts.
    """
    found: dict[str, Any] = {}
    for name, text in options.items():
        *outer, last = name.split(".")
        table = found
        for part in outer:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                raise InputError(f"the option {part!r} has a value and cannot have parts such as {name!r}; drop either")
        if last in table:
            raise InputError(f"the option {name!r} has parts and cannot have a value, too; drop either")
        table[last] = _value(text)
    return found


def _value(text: str) -> Any:
    try:
        return finite_json(text)
    except ValueError:
        return text
