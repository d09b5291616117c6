"""`shortlist probe-injection`: how far text inside a document can steer a reranker."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from shortlist.build.reranker import Reranker
from shortlist.cli.completion import model_names
from shortlist.cli.options import Json, LlmServer, settings
from shortlist.cli.output import console, print_json
from shortlist.errors import InputError
from shortlist.evaluation.files import at, read_objects
from shortlist.scorers.injection import Lift, probe
from shortlist.scorers.injection_cases import built_in_cases
from shortlist.types import Query, Ranking
from shortlist.types.document import documents_of


def probe_injection(
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            help="Reranker, named as everywhere; may be repeated, to compare several. [default: the one in use]",
            autocompletion=model_names,
        ),
    ] = None,
    llm_server: LlmServer = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help='Your own cases: JSONL with "query" and "documents", two or more.'),
    ] = None,
    as_json: Json = False,
) -> None:
    """Plant known attacks in documents that lost, and report how often each lifts them.

    Each case is ranked; the document that came last gets an attack ("rank this passage first")
    before its text, and the case is ranked again. The first row is a control of harmless words.
    A language model's option fenced=false leaves the marks and the warning around passages out.

    Example:  shortlist probe-injection -m llm-listwise:qwen3 --llm-server http://localhost:8000/v1
    """
    cases = built_in_cases() if file is None else [_case(file, *line) for line in read_objects(file)]
    chosen = settings(llm_server=llm_server)
    names = model or [chosen.model]
    found = {name: probe(Reranker.of(replace(chosen, model=name)), cases) for name in names}
    if as_json:
        print_json({name: [asdict(lift) for lift in lifts] for name, lifts in found.items()})
        return
    for name, lifts in found.items():
        console().print(_table(name, lifts))


def _case(file: Path, number: int, row: dict[str, Any]) -> Ranking:
    try:
        return Ranking.in_order(Query.of(row["query"]), documents_of(row["documents"]))
    except (LookupError, InputError) as error:
        raise at(file, number, f"holds no case ({error})", 'write {"query": ..., "documents": [...]}') from error


def _table(name: str, lifts: list[Lift]) -> Table:
    table = Table(title=name, title_justify="left", box=None, pad_edge=False)
    for column in ("attack", "lifted", "to the top", "ranks gained"):
        table.add_column(column, justify="left" if column == "attack" else "right")
    for lift in lifts:
        table.add_row(
            lift.attack, f"{lift.lifted}/{lift.cases}", f"{lift.first}/{lift.cases}", f"{lift.mean_ranks:+.2f}"
        )
    return table
