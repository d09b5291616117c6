"""Which of many models are meant: by kind, language, size and licence."""

from __future__ import annotations

import re
from dataclasses import dataclass

from shortlist.catalogue.entries import Entry
from shortlist.errors import InputError

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([MB])", re.IGNORECASE)
_FACTORS = {"M": 1_000_000, "B": 1_000_000_000}


@dataclass(frozen=True, slots=True)
class Choice:
    """What a model has to be like; what is left out does not matter.

    `language` is a code such as "de"; a multilingual model counts for every language, since cards
    seldom list theirs. `largest` is a number of parameters.
    """

    kind: str = ""
    language: str = ""
    largest: int | None = None
    commercial: bool = False

    def takes(self, entry: Entry) -> bool:
        """Say whether a model is like that; with `commercial`, a licence that is not stated allows nothing."""
        return (
            (not self.kind or entry.kind == self.kind)
            and (not self.language or bool({self.language.lower(), "multilingual"} & set(entry.languages)))
            and (self.largest is None or entry.parameters <= self.largest)
            and (not self.commercial or not entry.licence_note)
        )


def read_size(text: str) -> int:
    """Read a number of parameters, such as "600M" or "1.5B"; raises InputError for anything else."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise InputError(f"a number of parameters is written as 600M or 1.5B; got {text!r}")
    return round(float(found[1]) * _FACTORS[found[2].upper()])


def written_size(parameters: int) -> str:
    """Write a number of parameters short: "4.4M", "568M", "8.2B"; fewer than a tenth of a million as "<.1M"."""
    if parameters < _FACTORS["M"] // 10:
        return "<.1M"
    unit = "M" if parameters < 999_500_000 else "B"
    amount = parameters / _FACTORS[unit]
    return f"{amount:.1f}{unit}" if amount < 9.95 else f"{amount:.0f}{unit}"
