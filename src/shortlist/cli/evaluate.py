"""`shortlist evaluate`: systems x measures on a collection, with tests, a file to replay and a report."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from shortlist.build.evaluation import evaluate_request
from shortlist.cli.options import Encoder, Engine, Json, Precision, Threads, settings
from shortlist.cli.output import console, errors_console, print_json, shown
from shortlist.cli.progress import CountingProgress
from shortlist.errors import InputError
from shortlist.evaluation.measures import DEFAULT
from shortlist.evaluation.report import html_report, markdown_report
from shortlist.evaluation.report.markdown import all_notes, ceilings, comparison_rows, figures
from shortlist.evaluation.request import Request
from shortlist.evaluation.results import Evaluation
from shortlist.evaluation.runs import Run, write_run
from shortlist.evaluation.saved import load, replayed, save

app = typer.Typer(rich_markup_mode=None)

_SYSTEM = "'bm25@100 > shortlist-l6@50': a first stage (bm25, dense, hybrid, weighted, run:FILE), then models."
_DEFAULT_SYSTEMS = ("bm25@100", "hybrid@100", "hybrid@100 > shortlist-l6")

Collection = Annotated[
    str, typer.Option("--collection", "-c", help="A BEIR folder, or irds:NAME for what ir_datasets has on disk.")
]
Split = Annotated[str, typer.Option(help="Qrels of a BEIR folder. [default: test, else dev]")]
Qrels = Annotated[str, typer.Option(help="Judgements: TREC, BEIR or JSONL.")]
Queries = Annotated[str, typer.Option(help="Queries: JSONL (_id, text) or tab-separated.")]
Corpus = Annotated[str, typer.Option(help="Documents: JSONL (_id, title, text).")]
IndexFolder = Annotated[str, typer.Option("--index", help="Index to use, or to make and keep. [default: temporary]")]
Sample = Annotated[int, typer.Option(min=0, help="Draw so many queries; 0 takes all.")]
Seed = Annotated[int, typer.Option(help="Of the draw, the tests and the intervals.")]
Permutations = Annotated[int, typer.Option(min=100, help="Of the randomisation tests.")]
Systems = Annotated[list[str] | None, typer.Option("--system", "-s", help=f"{_SYSTEM} Repeatable.")]
Measures = Annotated[
    list[str] | None, typer.Option("--measure", "-m", help=f"Repeatable. [default: {' '.join(DEFAULT)}]")
]
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
    encoder: Encoder = None,
    engine: Engine = None,
    precision: Precision = None,
    threads: Threads = None,
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
    _check_reports(report or ())
    first = load(replay) if replay is not None else None
    found = _run(Request.from_dict(first.request) if first is not None else _request(context.params))
    _hand_over(found, out, report or (), runs, as_json=as_json)
    if first is not None:
        _tell_differences(first, found)


def _request(given: Mapping[str, Any]) -> Request:
    """Put the options together; those of the machine come from the settings where they are not given."""
    machine = ("encoder", "engine", "precision", "threads")
    chosen = settings(**{name: given[name] for name in machine})
    return Request(
        tuple(given["system"] or _DEFAULT_SYSTEMS),
        tuple(given["measure"] or DEFAULT),
        **{name: given[name] for name in _AS_THEY_ARE},
        **{name: getattr(chosen, name) for name in machine},
    )


_AS_THEY_ARE = (
    "collection",
    "split",
    "qrels",
    "queries",
    "corpus",
    "index",
    "sample",
    "seed",
    "permutations",
    "all_pairs",
)


@app.command("report")
def report_of(
    saved: Annotated[Path, typer.Argument(help="What `shortlist evaluate --out` saved.", show_default=False)],
    report: Annotated[Path, typer.Argument(help="The page to write: .html or .md.", show_default=False)],
) -> None:
    """Write the report of a saved evaluation; nothing is run again.

    Example:  shortlist evaluate report saved.json report.html
    """
    _check_reports([report])
    _write_report(load(saved), report)


def _run(request: Request) -> Evaluation:
    command = shlex.join(["shortlist", *sys.argv[1:]])
    with CountingProgress("indexing", "documents") as indexing, CountingProgress("evaluating", "queries") as evaluating:
        return evaluate_request(request, command=command, watch=evaluating.watch, filling=indexing.watch)


def _hand_over(
    evaluation: Evaluation, out: Path | None, reports: Sequence[Path], runs: Path | None, *, as_json: bool
) -> None:
    if out is not None:
        save(evaluation, out)
    for path in reports:
        _write_report(evaluation, path)
    if runs is not None:
        runs.mkdir(parents=True, exist_ok=True)
        for place, one in enumerate(evaluation.systems, 1):
            ranked = Run(one.name, {query_id: answer.doc_ids for query_id, answer in one.answers.items()})
            write_run(runs / f"system-{place}.trec", ranked)
    if as_json:
        print_json(asdict(evaluation))
    else:
        _print(evaluation)


def _check_reports(reports: Sequence[Path]) -> None:
    for path in reports:
        if path.suffix not in {".html", ".md"}:
            raise InputError(f"a report is .html or .md, not {path.name!r}")
        if not path.absolute().parent.is_dir():
            raise InputError(f"there is no folder {path.absolute().parent} for the report; make it first")


def _write_report(evaluation: Evaluation, path: Path) -> None:
    text = html_report(evaluation) if path.suffix == ".html" else markdown_report(evaluation)
    path.write_text(text, encoding="utf-8", errors="replace")


def _print(evaluation: Evaluation) -> None:
    about = evaluation.collection
    console().print(shown(f"{about['name']}: {about['queries']} queries, {about['documents']} documents"))
    _print_table(*figures(evaluation))
    console().print("ceiling: what the best order of each system's candidates would reach")
    _print_table(*ceilings(evaluation))
    for measure, comparisons in evaluation.comparisons.items():
        if comparisons:
            console().print(f"differences in {measure}")
            _print_table(*comparison_rows(comparisons))
    for note in all_notes(evaluation):
        errors_console().print(shown(f"note: {note}"), soft_wrap=True)


def _print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(box=None, pad_edge=False)
    for place, column in enumerate(header):
        table.add_column(column, justify="right" if place else "left", overflow="fold")
    for row in rows:
        table.add_row(*(shown(text.replace(" [", "\n[")) for text in row))
    console().print(table)
    console().print()


def _tell_differences(first: Evaluation, again: Evaluation) -> None:
    replay = replayed(first, again)
    for line in replay.lines:
        errors_console().print(shown(f"replay: {line}"), soft_wrap=True)
    if not replay.is_same:
        raise typer.Exit(1)
