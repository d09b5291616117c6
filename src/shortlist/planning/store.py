"""Calibrations on disk: one JSON file for a scorer and a number of threads."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from shortlist.errors import SettingsError
from shortlist.planning.cost import CostModel
from shortlist.planning.fitting import FitError
from shortlist.planning.machine import Machine

_FORMAT = 2


@dataclass(frozen=True, slots=True)
class Record:
    """A cost model with all that it depends on: the scorer, the threads and the machine.

    `model` is the name it was loaded by, `fingerprint` the scorer's own (weights, engine,
    precision, limits), `when` an ISO time. `stored` is the cost of documents with what an index keeps of
    them, where that is another one.
    """

    model: str
    fingerprint: str
    engine: str
    precision: str
    threads: int
    machine: Machine
    cost: CostModel
    error: FitError
    calls: int
    when: str
    stored: CostModel | None = None

    def staleness(self, now: Machine) -> tuple[str, ...]:
        """Say what has changed since it was measured."""
        return self.machine.changes(now)


def save(folder: Path, record: Record) -> Path:
    """Write a record, in place of an earlier one of the same scorer and threads; the file appears whole or not."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / _name(record.fingerprint, record.threads)
    draft = file.with_suffix(f".{os.getpid()}.draft")
    draft.write_text(json.dumps({"format": _FORMAT, **asdict(record)}, indent=1) + "\n", encoding="utf-8")
    draft.replace(file)
    return file


def find(folder: Path, *, fingerprint: str, threads: int) -> Record | None:
    """Return the record of a scorer, or None when it was never calibrated with so many threads."""
    file = folder / _name(fingerprint, threads)
    return _read(file) if file.is_file() else None


def every(folder: Path) -> tuple[Record, ...]:
    """Return all records, by model, engine, precision and threads."""
    records = [_read(file) for file in folder.glob("*.json")]
    return tuple(sorted(records, key=lambda r: (r.model, r.engine, r.precision, r.threads)))


def _name(fingerprint: str, threads: int) -> str:
    return hashlib.sha256(f"{fingerprint} {threads}".encode()).hexdigest()[:20] + ".json"


def _read(file: Path) -> Record:
    try:
        values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if values.pop("format") != _FORMAT:
            raise ValueError(f"its format is not {_FORMAT}")
        return _record(values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"the calibration {file} cannot be used ({error}); delete it and run `shortlist calibrate` again"
        ) from error


def _record(values: Mapping[str, Any]) -> Record:
    machine = values["machine"]
    return Record(
        **{
            **values,
            "machine": Machine(**{**machine, "features": tuple(machine["features"])}),
            "cost": CostModel(**values["cost"]),
            "error": FitError(**values["error"]),
            "stored": None if values["stored"] is None else CostModel(**values["stored"]),
        }
    )
