"""`shortlist evaluate`: systems x measures on a collection, with tests, a file to replay and a report."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from shortlist.build.evaluation import evaluate_request
from shortlist.cli.answers import answers
from shortlist.cli.evaluating import (
    Collection,
    Corpus,
    IndexFolder,
    Measures,
    Permutations,
    Qrels,
    Queries,
    Sample,
    Seed,
    Split,
    Systems,
    check_places,
    request_of,
)
from shortlist.cli.numbers import Command, Group
from shortlist.cli.options import Device, Encoder, Engine, Json, LlmServer, Precision, Threads, command_line
from shortlist.cli.output import console, errors_console, print_json, print_notes, print_text, shown
from shortlist.cli.progress import counting
from shortlist.cli.tables import print_table
from shortlist.evaluation.report import html_report, markdown_report
from shortlist.evaluation.report.markdown import all_notes, ceilings, comparison_rows, figures
from shortlist.evaluation.request import Request
from shortlist.evaluation.results import Evaluation
from shortlist.evaluation.runs import Run, write_run
from shortlist.evaluation.saved import load, replayed, save

app = typer.Typer(cls=Group, rich_markup_mode=None)
app.command("answers", cls=Command)(answers)

_DEFAULT_SYSTEMS = ("bm25@100", "hybrid@100", "hybrid@100 > shortlist-l6")

AllPairs = Annotated[bool, typer.Option("--all-pairs", help="Compare every two systems.")]
Out = Annotated[Path | None, typer.Option(help="Save everything in one JSON file, for --replay.")]
Reports = Annotated[list[Path] | None, typer.Option("--report", help="Write a report: .html or .md. Repeatable.")]
Runs = Annotated[Path | None, typer.Option(help="Folder for each system's TREC run.")]
Replay = Annotated[Path | None, typer.Option(help="Run a saved evaluation again and say what differs.")]


@app.callback(invoke_without_command=True)
def evaluate(
    context: typer.Context,
    collection: Collection = "",
    system: Systems = None,
    measure: Measures = None,
    split: Split = "",
    qrels: Qrels = "",
    queries: Queries = "",
    corpus: Corpus = "",
    index: IndexFolder = "",
    sample: Sample = 0,
    seed: Seed = 0,
    permutations: Permutations = 100_000,
    all_pairs: AllPairs = False,
    llm_server: LlmServer = None,
    encoder: Encoder = None,
    engine: Engine = None,
    precision: Precision = None,
    threads: Threads = None,
    device: Device = None,
    out: Out = None,
    report: Reports = None,
    runs: Runs = None,
    replay: Replay = None,
    as_json: Json = False,
) -> None:
    """Measure systems on a test collection: quality with intervals and tests, latency, cost, ceilings.

    The first system is the baseline. A model reranks the first @DEPTH of what the stage before
    it left; options stand in brackets, as in 'hybrid@50 > shortlist-l6[precision=int8]'.
    --replay exits with 1 when a value differs.

    Example:  shortlist evaluate -c data/scifact -s bm25 -s "bm25 > shortlist-l6" --report report.html
    """
    if context.invoked_subcommand is not None:
        return
    check_places(report or (), out=out)
    if runs is not None:
        runs.mkdir(parents=True, exist_ok=True)
    first = load(replay) if replay is not None else None
    found = _run(
        Request.from_dict(first.request) if first is not None else request_of(context.params, systems=_DEFAULT_SYSTEMS)
    )
    _hand_over(found, out, report or (), runs, as_json=as_json)
    if first is not None:
        _tell_differences(first, found)


@app.command("report")
def report_of(
    saved: Annotated[Path, typer.Argument(help="What `shortlist evaluate --out` saved.", show_default=False)],
    report: Annotated[Path, typer.Argument(help="The page to write: .html or .md.", show_default=False)],
) -> None:
    """Write the report of a saved evaluation; nothing is run again.

    Example:  shortlist evaluate report saved.json report.html
    """
    check_places([report])
    _write_report(load(saved), report)


def _run(request: Request) -> Evaluation:
    with counting("indexing", "documents") as filling, counting("evaluating", "queries") as watch:
        return evaluate_request(request, command=command_line(), watch=watch, filling=filling)


def _hand_over(
    evaluation: Evaluation, out: Path | None, reports: Sequence[Path], runs: Path | None, *, as_json: bool
) -> None:
    if out is not None:
        save(evaluation, out)
    for path in reports:
        _write_report(evaluation, path)
    if runs is not None:
        for place, one in enumerate(evaluation.systems, 1):
            ranked = Run(one.name, {query_id: answer.doc_ids for query_id, answer in one.answers.items()})
            label = re.sub(r"[^\w@.+-]+", "-", one.name).strip("-.")[:80]
            write_run(runs / f"{place}-{label}{ranked.suffix}", ranked)
    if as_json:
        print_json(asdict(evaluation))
    else:
        _print(evaluation)


def _write_report(evaluation: Evaluation, path: Path) -> None:
    text = html_report(evaluation) if path.suffix == ".html" else markdown_report(evaluation)
    path.write_text(text, encoding="utf-8", errors="replace")


def _print(evaluation: Evaluation) -> None:
    about = evaluation.collection
    console().print(shown(f"{about['name']}: {about['queries']} queries, {about['documents']} documents"))
    print_table(*figures(evaluation))
    console().print("ceiling: what the best order of each system's candidates would reach")
    print_table(*ceilings(evaluation))
    for measure, comparisons in evaluation.comparisons.items():
        if comparisons:
            console().print(f"differences in {measure}")
            print_table(*comparison_rows(comparisons))
    print_notes(all_notes(evaluation))


def _tell_differences(first: Evaluation, again: Evaluation) -> None:
    replay = replayed(first, again)
    for line in replay.lines:
        print_text(errors_console(), f"replay: {line}")
    if not replay.is_same:
        raise typer.Exit(1)
