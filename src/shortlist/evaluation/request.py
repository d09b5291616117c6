"""What `shortlist evaluate` is asked for, as plain values that a file can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from shortlist.errors import InputError
from shortlist.evaluation.measures import DEFAULT

MACHINE = ("encoder", "engine", "precision", "threads", "device", "llm_server")
"""The fields that the settings have, too: how models run."""


@dataclass(frozen=True, slots=True)
class Request:
    """Systems, measures, and where the data are.

    `collection` is a BEIR folder, or `irds:NAME` for what ir_datasets has on disk; `qrels`,
    `queries` and `corpus` are files in its place or instead of one of its parts. `index` is a
    folder that is used if it holds an index, and made otherwise; without it an index is
    made in a temporary folder. `sample` queries are drawn (0: all).
    """

    systems: tuple[str, ...]
    measures: tuple[str, ...] = DEFAULT
    collection: str = ""
    split: str = ""
    qrels: str = ""
    queries: str = ""
    corpus: str = ""
    index: str = ""
    sample: int = 0
    seed: int = 0
    permutations: int = 100_000
    all_pairs: bool = False
    encoder: str = ""
    engine: str = ""
    precision: str = ""
    threads: int = 0
    device: str = ""
    llm_server: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Request:
        """Read what `to_dict` gave; raises InputError for a value of another version."""
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown or "systems" not in values:
            raise InputError(f"this is no request of this version (unknown: {', '.join(unknown) or 'no systems'})")
        lists = {name: tuple(values[name]) for name in ("systems", "measures") if name in values}
        return cls(**{**values, **lists})
