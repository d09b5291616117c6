"""What is known of this machine's models becomes a plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shortlist.build.calibration import calibrations_folder
from shortlist.errors import InputError
from shortlist.planning.contenders import Contender
from shortlist.planning.machine import Machine
from shortlist.planning.plan import Plan, Task, best, best_of_each, every_plan, fitting, next_better, pareto_front
from shortlist.planning.quality import QualityTable, packaged_table
from shortlist.planning.store import Record, every


@dataclass(frozen=True, slots=True)
class Planned:
    """Plans for a task: the best that fits, the best of each sequence of models, what more time would buy.

    `choices` holds the best fitting plan of each sequence of models, best first; `front`
    the plans that no other is both quicker and better than, whether they fit or not; `notes` what the reader must know.
    """

    chosen: Plan
    choices: tuple[Plan, ...]
    better: Plan | None
    front: tuple[Plan, ...]
    notes: tuple[str, ...]


def calibrated_contenders(
    models: Sequence[str] = (), *, is_indexed: bool = False
) -> tuple[tuple[Contender, ...], tuple[str, ...]]:
    """Return the models that were calibrated here (those named, or all), and notes on stale calibrations.

    An int8 model has a name of its own, `NAME int8`, since what is known of the quality of
    the other precisions does not hold for it. Of several calibrations the last counts.
    `is_indexed` takes the costs of documents from an index. Raises InputError for a named model without one.
    """
    now = Machine.here()
    latest: dict[str, Record] = {}
    for record in sorted(every(calibrations_folder()), key=lambda record: record.when):
        latest[f"{record.model} int8" if record.precision == "int8" else record.model] = record
    missing = [name for name in models if name not in latest]
    if missing:
        known = ", ".join(sorted(latest)) or "none"
        raise InputError(
            f"{missing[0]} was not calibrated on this machine (there are: {known});"
            f" run `shortlist calibrate {missing[0]}`, or give its figures with --assume"
        )
    chosen = {name: record for name, record in sorted(latest.items()) if not models or name in models}
    stale = {name: record.staleness(now) for name, record in chosen.items()}
    notes = tuple(f"the calibration of {name} is stale: {'; '.join(what)}" for name, what in stale.items() if what)
    costs = {name: (record.stored if is_indexed else None) or record.cost for name, record in chosen.items()}
    return tuple(Contender(name, cost) for name, cost in costs.items()), notes


def with_assumed(calibrated: Sequence[Contender], assumed: Sequence[Contender]) -> list[Contender]:
    """Put models of given figures beside the calibrated ones, or in the place of one of the same name.

    Raises InputError for a name that is given twice.
    """
    names = [one.name for one in assumed]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"the figures of {twice} are given twice; give one of them another name")
    return [*(one for one in calibrated if one.name not in names), *assumed]


def checked(contenders: Sequence[Contender]) -> Sequence[Contender]:
    """Return the contenders; raises InputError when there are none."""
    if not contenders:
        raise InputError("no model's costs are known: run `shortlist calibrate` first, or give figures with --assume")
    return contenders


def make_plan(
    task: Task,
    contenders: Sequence[Contender],
    *,
    p95_ms: float,
    table: QualityTable | None = None,
    is_indexed: bool = False,
    notes: Sequence[str] = (),
) -> Planned:
    """Choose among all plans for the task; documents of an index are read as the table's `of_index` says.

    Raises InputError without contenders.
    """
    checked(contenders)
    figures = (table or packaged_table()).of_fewer(task.candidates)
    figures = figures.of_index() if is_indexed else figures
    plans = every_plan(task, contenders, figures)
    fits = fitting(plans, p95_ms=p95_ms)
    chosen = best(fits)
    known = {figure.model for figure in figures.figures}
    unknown = [f"no figures for {one.name} in {figures.collection}" for one in contenders if one.name not in known]
    return Planned(chosen, best_of_each(fits), next_better(plans, chosen), pareto_front(plans), (*notes, *unknown))
