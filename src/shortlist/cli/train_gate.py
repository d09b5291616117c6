"""`shortlist train-gate`: a gate from what reranking changed before."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from shortlist.cli.options import Json
from shortlist.cli.output import console, print_json, print_text
from shortlist.gating.log import read_log
from shortlist.gating.logistic import Logged, LogisticGate
from shortlist.gating.logistic import train_gate as trained


def train_gate(
    log: Annotated[Path, typer.Argument(help="What `search --log-reranks` wrote.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="File for the gate.")] = Path("gate.json"),
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Rerank from this probability on that it changes anything.")
    ] = 0.5,
    as_json: Json = False,
) -> None:
    """Train a gate on logged rerankings: it tells, before reranking, how likely that changes what goes on.

    Its calibration error is that on queries held out in turn. Use it with `search --gate FILE`.

    Example:  shortlist train-gate reranks.jsonl --out gate.json
    """
    logged = read_log(log)
    gate = trained(logged, threshold=threshold)
    gate.save(out)
    if as_json:
        print_json(asdict(gate))
    else:
        print_text(console(), _told(gate, logged, out))


def _told(gate: LogisticGate, logged: list[Logged], out: Path) -> str:
    changed = sum(one.was_worth_it for one in logged) / len(logged)
    skipped = sum(gate.chance(one.features) < gate.threshold for one in logged) / len(logged)
    error = gate.error
    return (
        f"{out}: reranking changed {changed:.0%} of {gate.queries} queries; {skipped:.0%} of them are below the"
        f" threshold of {gate.threshold:g} and would be skipped. Calibration error {error.value:.3f}"
        f" ({error.low:.3f} to {error.high:.3f}) on queries held out."
    )
