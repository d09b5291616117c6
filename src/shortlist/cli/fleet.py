"""`shortlist plan --fleet`: how many replicas and nodes a load and a collection take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from shortlist.cli.output import console, print_json, print_text
from shortlist.cli.tables import print_table
from shortlist.errors import InputError
from shortlist.planning.contenders import Contender
from shortlist.planning.fleet import Fleet, Service, Storage, smallest, storage
from shortlist.planning.lengths import SPECIAL_TOKENS
from shortlist.planning.plan import Task

_HOURS_A_MONTH = 730
_GB = 1e9


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of a fleet. `first_stage_ms` is taken off the budget; a price is of a replica's hour."""

    queries_per_s: float
    p95_ms: float
    first_stage_ms: float = 0.0
    spare: int = 1
    price_per_hour: float = 0.0
    documents: int = 0
    copies: int = 2
    node_gb: int = 64


def fleets(load: Load, task: Task, contenders: Sequence[Contender]) -> tuple[dict[str, Fleet], dict[str, str]]:
    """Return the smallest fleet of each model, and why there is none of the others."""
    lengths = [task.tokens + task.query_tokens + SPECIAL_TOKENS] * task.candidates
    found: dict[str, Fleet] = {}
    refused: dict[str, str] = {}
    for one in contenders:
        service = Service(one.cost.p50_ms(lengths), one.cost.p95_ms(lengths))
        try:
            found[one.name] = smallest(
                service,
                queries_per_s=load.queries_per_s,
                p95_ms=load.p95_ms - load.first_stage_ms,
                spare=load.spare,
            )
        except InputError as error:
            refused[one.name] = str(error)
    return found, refused


def print_fleets(load: Load, task: Task, contenders: Sequence[Contender], *, as_json: bool) -> None:
    """Show the fleets, and the index's size when there are documents."""
    found, refused = fleets(load, task, contenders)
    kept = (
        storage(load.documents, tokens=task.tokens, replicas=load.copies, node_bytes=load.node_gb << 30)
        if load.documents
        else None
    )
    if as_json:
        print_json(_json(load, found, refused, kept))
        return
    rows = []
    for name, fleet in found.items():
        price = fleet.replicas * load.price_per_hour * _HOURS_A_MONTH
        latencies = [f"{value:.0f}" for value in (fleet.p50_ms, fleet.p95_ms, fleet.p99_ms)]
        rows.append([name, str(fleet.replicas), f"{fleet.busy:.0%}", *latencies, f"{price:,.0f}" if price else "-"])
    print_table(("model", "replicas", "busy", "P50 ms", "P95 ms", "P99 ms", "a month"), rows)
    for name, why in refused.items():
        print_text(console(), f"{name}: {why}")
    if kept is not None:
        print_text(console(), _storage_text(load, kept))


def _storage_text(load: Load, kept: Storage) -> str:
    return (
        f"index of {load.documents:,} passages: {kept.memory / _GB:.1f} GB of memory ({kept.vectors / _GB:.1f} vectors,"
        f" {kept.graph / _GB:.1f} graph, {kept.words / _GB:.1f} words) and {kept.disk / _GB:.1f} GB of disk a copy;"
        f" {load.copies} copies on {kept.nodes} nodes of {load.node_gb} GiB"
    )


def _json(load: Load, found: dict[str, Fleet], refused: dict[str, str], kept: Storage | None) -> dict[str, Any]:
    index = None if kept is None else {**asdict(kept), "memory": kept.memory, "disk": kept.disk}
    return {
        "load": asdict(load),
        "fleets": {name: asdict(fleet) for name, fleet in found.items()},
        "refused": refused,
        "index": index,
    }
