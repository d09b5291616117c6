"""`shortlist advise`: whether reranking is worth it on the user's own queries, with what, and how deep."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from shortlist.build.advice import advice_for
from shortlist.cli.evaluating import (
    Candidates,
    Collection,
    Corpus,
    FirstStage,
    IndexFolder,
    Qrels,
    Queries,
    Run,
    Sample,
    Seed,
    Split,
    check_places,
    first_system,
    request_of,
)
from shortlist.cli.options import Device, Encoder, Engine, Json, LlmServer, Precision, Threads, command_line, settings
from shortlist.cli.output import console, print_json, print_notes, print_text, shown
from shortlist.cli.progress import counting
from shortlist.cli.tables import print_table
from shortlist.evaluation.advising import Advice, Asked
from shortlist.evaluation.report.advice import advice_markdown, advice_tables
from shortlist.evaluation.request import Request

Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model", "-m", help="Reranker, or a cascade 'small > large@20'; may be repeated. [default: the one in use]"
    ),
]
Passages = Annotated[int, typer.Option("--passages", min=1, help="How many the generator takes: nDCG is cut there.")]
RelevantFrom = Annotated[int, typer.Option("--relevant-from", min=1, help="Lowest grade that recall counts.")]
Report = Annotated[Path | None, typer.Option("--report", help="Write a page: .md.")]


def advise(
    context: typer.Context,
    collection: Collection = "",
    split: Split = "",
    qrels: Qrels = "",
    queries: Queries = "",
    corpus: Corpus = "",
    index: IndexFolder = "",
    run: Run = "",
    first_stage: FirstStage = "hybrid",
    model: Models = None,
    depth: Candidates = 100,
    passages: Passages = 10,
    relevant_from: RelevantFrom = 1,
    sample: Sample = 0,
    seed: Seed = 0,
    llm_server: LlmServer = None,
    encoder: Encoder = None,
    engine: Engine = None,
    precision: Precision = None,
    device: Device = None,
    threads: Threads = None,
    report: Report = None,
    as_json: Json = False,
) -> None:
    """Say whether to rerank, with which model and how deep, from your own queries and judgements.

    Each model scores once, at the full depth; quality at smaller depths follows from its scores.
    Without judgements it says only what reranking changes, which is a much weaker claim.

    Example:  shortlist advise --queries q.jsonl --qrels qrels.tsv --index docs/.shortlist
    """
    check_places([report] if report is not None else (), kinds=[".md"])
    chosen = settings(encoder=encoder, engine=engine, precision=precision, device=device, threads=threads)
    first = first_system(run, first_stage, depth)
    systems = [first, *(f"{first} > {name}" for name in model or [chosen.model])]
    request = request_of({**context.params, "system": systems}, systems=())
    asked = Asked(passages, relevant_from, seed)
    found = _ask(request, asked)
    if report is not None:
        report.write_text(advice_markdown(found), encoding="utf-8", errors="replace")
    if as_json:
        print_json(asdict(found))
    else:
        _print(found)


def _ask(request: Request, asked: Asked) -> Advice:
    with counting("indexing", "documents") as filling, counting("asking", "queries") as watch:
        return advice_for(request, asked, command=command_line(), watch=watch, filling=filling)


def _print(advice: Advice) -> None:
    console().print(shown(f"{advice.collection['name']}: {advice.collection['queries']} queries"))
    for title, table in advice_tables(advice):
        console().print(title)
        print_table(*table)
    print_text(console(), advice.verdict)
    print_notes(advice.notes)
