"""`shortlist calibrate`: measure what scoring costs on this machine."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

from shortlist.build.calibration import calibrate_model
from shortlist.cli.options import Device, Engine, Json, Precision, Threads, settings
from shortlist.cli.output import console, print_json, print_notes, print_text, shown
from shortlist.cli.progress import bar
from shortlist.planning.store import Record
from shortlist.settings import Settings

BUSY_RATIO = 2.5  # 1.6 was measured beside other work of load 2 to 3, 5.7 beside one of 9


def calibrate(
    models: Annotated[
        list[str] | None,
        typer.Argument(help="Rerankers by name, folder, owner/name or kind:name. [default: the one in use]"),
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, help="How long to measure each.")] = 60.0,
    engine: Engine = None,
    precision: Precision = None,
    device: Device = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Measure how long scoring takes on this machine, for `shortlist plan` and for --budget-ms.

    Scores made-up texts of many counts and lengths, fits a cost model, and tells how far that is
    off on shapes that it was not fitted to. It is kept in your data folder, with this machine's
    description: when that changes, the calibration counts as stale.

    Example:  shortlist calibrate shortlist-l6 all-minilm-l6-v2
    """
    chosen = settings(engine=engine, precision=precision, device=device, threads=threads)
    records = [_calibrated(name, chosen, seconds) for name in models or [chosen.model]]
    if as_json:
        print_json([asdict(record) for record in records])
        return
    for record in records:
        print_text(console(), _line(record))
        if record.cost.p95_ratio > BUSY_RATIO:
            ratio = f"{record.cost.p95_ratio:.1f} times the median"
            print_notes([f"P95 is {ratio}, as on a busy machine; calibrate again when it is idle"])


def _calibrated(name: str, chosen: Settings, seconds: float) -> Record:
    with bar(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()) as progress:
        task = progress.add_task(f"calibrating {shown(name)}", total=1.0)
        return calibrate_model(
            name, settings=chosen, seconds=seconds, watch=lambda share: progress.update(task, completed=share)
        )


def _line(record: Record) -> str:
    lengths = [180 + 15] * 50
    return (
        f"{record.model} ({record.engine}, {record.precision}, {record.threads} threads): 50 candidates of 180 tokens"
        f" take {record.cost.p50_ms(lengths):.0f} ms, {record.cost.p95_ms(lengths):.0f} ms at P95."
        f" On {record.error.shapes} shapes held out, P50 was off by {record.error.p50:.0%}, P95 by"
        f" {record.error.p95:.0%}, and {record.error.covered:.0%} of {record.error.calls} calls took no longer than"
        " their predicted P95."
    )
