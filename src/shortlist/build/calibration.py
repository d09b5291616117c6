"""Calibrations of models by name: measured here, kept in the user's data folder, found again."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path

import numpy as np
from platformdirs import user_data_path

from shortlist.build.models import load_model, options_of, split_name
from shortlist.errors import InputError
from shortlist.inference.cores import usable_cores
from shortlist.pipeline.budgeted import Level
from shortlist.planning.calibrate import Store, Watch, calibrate, probe
from shortlist.planning.machine import Machine
from shortlist.planning.store import Record, find, save
from shortlist.protocols import Scorer
from shortlist.scorers.asked_of import innermost
from shortlist.scorers.blend import Blend
from shortlist.scorers.cosine import Cosine
from shortlist.scorers.registry import is_hosted
from shortlist.settings import Settings
from shortlist.types import DocumentVector, Query


def calibrations_folder() -> Path:
    """Return where calibrations are kept: `calibrations` in the user's data folder for shortlist."""
    return user_data_path("shortlist") / "calibrations"


def calibrate_model(
    name: str,
    *,
    settings: Settings | None = None,
    seconds: float = 60.0,
    watch: Watch | None = None,
) -> Record:
    """Load a model, `name` or `kind:name`, as the settings say, score for so many seconds, and keep its cost model.

    Raises InputError for a model elsewhere, where every call may cost money and others wait too.
    """
    chosen = settings or Settings()
    kind, rest, own = split_name(name)
    if kind is not None and is_hosted(kind):
        raise InputError(f"{name} does not run here, so it is not calibrated; give its figures to `plan` with --assume")
    scorer = load_model(rest, kind=kind, defaults=options_of(chosen, kind), **own)
    made = calibrate(scorer, seconds=seconds, store=store_of(scorer), watch=watch)
    facts = scorer.score(Query("tower"), []).step.facts
    record = Record(
        name,
        scorer.fingerprint,
        facts.get("engine", chosen.engine),
        facts.get("precision", chosen.precision),
        chosen.threads or usable_cores(),
        Machine.here(),
        made.fit.cost,
        made.fit.error,
        made.calls,
        datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        None if made.stored is None else made.stored.cost,
    )
    save(calibrations_folder(), record)
    return record


def store_of(scorer: Scorer) -> Store | None:
    """Return what gives a document that which an index keeps for the scorer's bi-encoder; None for one without."""
    inner = innermost(scorer)
    parts = inner.parts if isinstance(inner, Blend) else (inner,)
    encoder = next((part.encoder for part in parts if isinstance(part, Cosine)), None)
    if encoder is None:
        return None
    vector = DocumentVector(encoder.fingerprint, np.zeros(encoder.dimension, dtype=np.float32))  # time is all we want
    return lambda document: replace(document, tokens=encoder.tokenize([document.full_text])[0], vector=vector)


def level_of(name: str, scorer: Scorer, *, threads: int | None = None, may_probe: bool = False) -> Level:
    """Return a scorer with the cost that was calibrated for it on this machine as it is now.

    Where there is none it is tried for a moment if it `may_probe`, or else its pace is learned in use.
    """
    record = find(calibrations_folder(), fingerprint=scorer.fingerprint, threads=threads or usable_cores())
    changes = record.staleness(Machine.here()) if record is not None else ()
    if record is not None and not changes:
        return Level(scorer, record.cost, name, stored=record.stored)
    inner = innermost(scorer)
    cost, stored = probe(inner, store=store_of(inner)) if may_probe else (None, None)
    if record is None:
        return Level(scorer, cost, name, stored=stored)
    note = f"the calibration of {name} is stale ({'; '.join(changes)}): run `shortlist calibrate {name}`"
    return Level(scorer, cost, name, note, stored)
