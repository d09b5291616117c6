"""The entries of `models.toml`, as values."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shortlist._toml import tomllib

_FILE = Path(__file__).with_name("models.toml")


@dataclass(frozen=True, slots=True)
class Reference:
    """A published score of one pair, with where it was published.

    `score` is the model's logit, before any activation; a backend reproduces it when it is
    off by `tolerance` at most.
    """

    query: str
    document: str
    score: float
    tolerance: float
    source: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A model on the hub. `models.toml` says what each field means; `revision` is empty where it is not known."""

    name: str
    hub: str
    licence: str
    family: str
    kind: str
    max_length: int
    activation: str
    languages: tuple[str, ...]
    parameters: int
    needs: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    revision: str = ""
    commercial: bool = True
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    unsupported: str = ""
    notes: str = ""
    reference: tuple[Reference, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Everything it may be asked for by."""
        return (self.name, self.hub, *self.aliases)

    @property
    def install(self) -> str:
        """The command that installs what it needs."""
        return f"pip install 'shortlist[{','.join(self.needs)}]'"

    @property
    def licence_note(self) -> str:
        """What a user has to know of the licence, or nothing when it asks for nothing special."""
        if not self.commercial:
            return f"{self.name} is licensed {self.licence}: NOT for commercial use"
        if self.licence == "not stated":
            return f"{self.name} states no licence: ask its authors before you use it"
        return ""


@functools.cache
def read_catalogue() -> tuple[Entry, ...]:
    """Return every entry, in the file's order; read once."""
    return tuple(_entry(table) for table in tomllib.loads(_FILE.read_text(encoding="utf-8"))["model"])


def find_entry(name: str) -> Entry | None:
    """Return the entry that has this name, hub id or alias (capitals do not matter), or None when there is none."""
    wanted = name.lower()
    return next((e for e in read_catalogue() if wanted in {known.lower() for known in e.names}), None)


def nearest_names(name: str, others: Iterable[str] = ()) -> tuple[str, ...]:
    """Return at most three names of the catalogue, or of `others`, that are spelt like `name`, nearest first."""
    known = {each.lower(): each for entry in read_catalogue() for each in (entry.name, *entry.aliases)}
    known |= {other.lower(): other for other in others}
    wanted = name.lower().rpartition("/")[2]
    return tuple(known[near] for near in difflib.get_close_matches(wanted, known, 3))


def _entry(table: Mapping[str, Any]) -> Entry:
    lists = {key: tuple(value) for key, value in table.items() if isinstance(value, list) and key != "reference"}
    reference = tuple(Reference(**pair) for pair in table.get("reference", ()))
    return Entry(**{**table, **lists, "reference": reference})
