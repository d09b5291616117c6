"""`shortlist plan`: which models, how deep, how much of each document, within a budget."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from shortlist.build.planning import Planned, calibrated_contenders, checked, make_plan, with_assumed
from shortlist.cli.fleet import Load, print_fleets
from shortlist.cli.options import Json
from shortlist.cli.output import console, print_json, print_notes, print_text
from shortlist.cli.tables import print_table
from shortlist.planning.contenders import parse_contender
from shortlist.planning.plan import Plan, Task
from shortlist.planning.plot import LETTERS, plot
from shortlist.planning.quality import read_table


def plan(
    p95: Annotated[float, typer.Option("--p95", min=1, help="Budget: 95 of 100 queries are reranked in so many ms.")],
    candidates: Annotated[int, typer.Option(min=1, max=10_000, help="How many documents the first stage gives.")] = 50,
    tokens: Annotated[int, typer.Option(min=1, help="How long a document is.")] = 180,
    query_tokens: Annotated[int, typer.Option(min=1, help="How long a query is.")] = 12,
    models: Annotated[
        list[str] | None, typer.Option("--model", "-m", help="A calibrated model; may be repeated. [default: all]")
    ] = None,
    assume: Annotated[
        list[str] | None,
        typer.Option(
            help="A model elsewhere: 'NAME,pairs_per_s=200,round_trip_ms=20', and at_tokens, p95_ratio,"
            " price_per_query if known; may be repeated."
        ),
    ] = None,
    indexed: Annotated[
        bool, typer.Option("--indexed", help="The documents come from an index, with their token ids and vectors.")
    ] = False,
    quality: Annotated[
        Path | None, typer.Option(help="Your own figures: JSON with points of model, depth and value (nDCG@10).")
    ] = None,
    fleet: Annotated[bool, typer.Option("--fleet", help="Say how many replicas a load takes, model by model.")] = False,
    qps: Annotated[float, typer.Option(min=0.001, help="With --fleet: queries a second, at the peak.")] = 10.0,
    first_stage: Annotated[
        float, typer.Option("--first-stage-ms", min=0, help="With --fleet: of --p95, what finding candidates takes.")
    ] = 0.0,
    spare: Annotated[int, typer.Option(min=0, help="With --fleet: replicas that may be down.")] = 1,
    price: Annotated[float, typer.Option("--price-per-hour", min=0, help="With --fleet: of one replica.")] = 0.0,
    passages: Annotated[int, typer.Option(min=0, help="With --fleet: size of the index; 0 leaves it out.")] = 0,
    copies: Annotated[int, typer.Option(min=1, help="With --fleet: copies of the index.")] = 2,
    node_gb: Annotated[int, typer.Option("--node-gb", min=1, help="With --fleet: memory of an index node.")] = 64,
    as_json: Json = False,
) -> None:
    """Say which models fit into a budget, at what depth, and what to expect of them.

    Latencies are predicted from `shortlist calibrate`. Quality is that of published and our own
    figures on TREC DL 2019 unless you give yours: take it for an order, not for your documents.
    With --fleet a queueing simulation says how many replicas keep --p95 under a load (docs/scale.md).

    Example:  shortlist plan --p95 200 --candidates 50 --tokens 180
    """
    elsewhere = [parse_contender(text) for text in assume or ()]
    here, notes = calibrated_contenders(models or (), is_indexed=indexed)
    contenders = with_assumed(here, elsewhere)
    task = Task(candidates, tokens, query_tokens)
    if fleet:
        load = Load(qps, p95, first_stage, spare, price, passages, copies, node_gb)
        print_fleets(load, task, checked(contenders), as_json=as_json)
        return print_notes(notes)
    table = read_table(quality) if quality is not None else None
    planned = make_plan(task, contenders, p95_ms=p95, table=table, is_indexed=indexed, notes=notes)
    if as_json:
        print_json(plan_json(planned))
    else:
        _print(planned, p95)
    return print_notes(planned.notes)


def plan_json(planned: Planned) -> dict[str, Any]:
    """Return a plan as plain JSON values."""
    return {
        "chosen": _plan_json(planned.chosen),
        "choices": [_plan_json(one) for one in planned.choices],
        "next_better": _plan_json(planned.better) if planned.better is not None else None,
        "front": [_plan_json(one) for one in planned.front],
        "notes": list(planned.notes),
    }


def _plan_json(one: Plan) -> dict[str, Any]:
    return {
        "name": one.name,
        "stages": [{"model": s.model, "depth": s.depth, "tokens": s.tokens} for s in one.stages],
        "p50_ms": round(one.p50_ms, 1),
        "p95_ms": round(one.p95_ms, 1),
        "quality": None
        if one.quality is None
        else {
            "ndcg@10": round(one.quality.value, 4),
            "source": one.quality.source,
            "is_exact": one.quality.is_exact,
        },
        "price_per_thousand": round(one.price_per_thousand, 4),
    }


def _print(planned: Planned, p95_ms: float) -> None:
    screen = console()
    rows = [*planned.choices, *([planned.better] if planned.better is not None else [])]
    print_table(_HEADER, [_row(place, one, p95_ms) for place, one in enumerate(rows)])
    for line in plot(rows, p95_ms=p95_ms):
        print_text(screen, line)
    print_text(screen, verdict(planned))


_HEADER = ("   plan", "tokens", "P50 ms", "P95 ms", "nDCG@10", "per 1000", "source")


def _row(place: int, one: Plan, p95_ms: float) -> list[str]:
    letter = LETTERS[place] if place < len(LETTERS) else ""
    return [
        f"{letter:<3}{one.name}{'' if one.p95_ms <= p95_ms else ' (over the budget)'}",
        "/".join(str(stage.tokens) for stage in one.stages) or "-",
        f"{one.p50_ms:.0f}",
        f"{one.p95_ms:.0f}",
        "?" if one.quality is None else f"{'' if one.quality.is_exact else '~'}{one.quality.value:.3f}",
        f"{one.price_per_thousand:g}",
        "" if one.quality is None else one.quality.source.partition(":")[0],
    ]


def verdict(planned: Planned) -> str:
    """Say in a sentence or two what to do, and what more time would buy."""
    one = planned.chosen
    if not one.stages:
        first = "Do not rerank: nothing that fits is expected to be better than the first stage."
    else:
        first = f"Take {one.name}: {one.p50_ms:.0f} ms, {one.p95_ms:.0f} ms at P95."
    better = planned.better
    if better is None or one.quality is None or better.quality is None:
        return first
    gain = better.quality.value - one.quality.value
    return f"{first} The next better is {better.name}: {better.p95_ms:.0f} ms at P95 for {gain:+.3f} nDCG@10."
