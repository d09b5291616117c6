"""Parts scored by Ray Data: actors that load the model once, on any number of machines.

A worker reads its part itself, so the file of pairs must be reachable under the same path from every
node. Scores come back through Ray and are written by the process that started the job. A worker
that dies, or its whole node, costs the parts it had in hand: Ray gives them to another worker.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from shortlist import errors
from shortlist._optional import require
from shortlist.errors import InputError, ShortlistError
from shortlist.scale.job import Runner, Scored, score_part
from shortlist.scale.pairs import Part
from shortlist.scale.scoring import PartScorer


class PartWorker:
    """What runs inside an actor: a batch of one part as JSON comes in, its scores or its error as JSON go out."""

    def __init__(self, model: str, options: Mapping[str, Any]) -> None:
        self._scorer = PartScorer(model, options)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Score the parts of a batch."""
        return {"scored": [self._answer(text) for text in batch["part"]]}

    def _answer(self, text: str) -> str:
        try:
            return json.dumps(asdict(score_part(self._scorer, Part(**json.loads(text)))))
        except ShortlistError as error:  # a bad pair is the same on every machine: no use in trying it again
            return json.dumps({"error": type(error).__name__, "said": str(error)})


def connect() -> None:
    """Connect to the cluster of RAY_ADDRESS, or start one here; does nothing when connected.

    Ray's usage statistics are switched off for a cluster that is started here. Raises MissingExtraError, InputError.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = require("ray", extra="ray")
    if ray.is_initialized():
        return
    address = os.environ.get("RAY_ADDRESS") or None
    try:
        ray.init(address=address, logging_level=logging.WARNING, include_dashboard=None if address else False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(
            f"no Ray cluster answers at {address!r}: {error}; start one with `ray start --head`"
        ) from error


def on_ray(model: str, options: Mapping[str, Any], *, workers: int = 0, cores: int = 1) -> Runner:
    """Return a runner that scores on a Ray cluster with so many workers (0: as fit) of so many cores each.

    Every worker uses as many threads as it has cores, unless `options` say otherwise.
    """
    if workers < 0 or cores < 1:
        raise InputError(f"workers are from 0 and cores from 1; got {workers} and {cores}")
    given = {**options, "threads": options.get("threads") or cores}

    def runner(parts: Sequence[Part]) -> Iterable[Scored]:
        connect()
        ray, data = require("ray", extra="ray"), require("ray.data", extra="ray")
        data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        count = min(workers or max(1, int(ray.cluster_resources().get("CPU", 1)) // cores), len(parts))
        rows = data.from_items([{"part": json.dumps(asdict(part))} for part in parts], override_num_blocks=len(parts))
        scored = rows.map_batches(
            PartWorker,
            fn_constructor_kwargs={"model": model, "options": given},
            batch_size=1,
            compute=data.ActorPoolStrategy(size=count),
            num_cpus=cores,
        )
        return (_scored(row["scored"]) for row in scored.iter_rows())

    return runner


def _scored(text: str) -> Scored:
    found: dict[str, Any] = json.loads(text)
    if "error" in found:
        kind = getattr(errors, found["error"], ShortlistError)
        raise kind(found["said"])
    fields: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}
    return Scored(**fields)
