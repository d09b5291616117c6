"""The options and the request that the commands of `shortlist evaluate` share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from shortlist.cli.options import settings
from shortlist.errors import InputError
from shortlist.evaluation.measures import DEFAULT
from shortlist.evaluation.request import MACHINE, Request

_SYSTEM = "'bm25@100 > shortlist-l6@50': a first stage (bm25, dense, hybrid, weighted, run:FILE), then models."

Collection = Annotated[
    str, typer.Option("--collection", "-c", help="A BEIR folder, or irds:NAME for what ir_datasets has on disk.")
]
Split = Annotated[str, typer.Option(help="Qrels of a BEIR folder. [default: test, else dev]")]
Qrels = Annotated[str, typer.Option(help="Judgements: TREC, BEIR or JSONL.")]
Queries = Annotated[str, typer.Option(help="Queries: JSONL (_id, text) or tab-separated.")]
Corpus = Annotated[str, typer.Option(help="Documents: JSONL (_id, title, text).")]
IndexFolder = Annotated[str, typer.Option("--index", help="Index to use, or to make and keep. [default: temporary]")]
Sample = Annotated[int, typer.Option(min=0, help="Draw so many queries; 0 takes all.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the draw, the tests and the intervals.")]
Run = Annotated[str, typer.Option("--run", help="TREC run of the first stage, in place of our own retrieval.")]
FirstStage = Annotated[str, typer.Option("--first-stage", help="hybrid, weighted, bm25 or dense.")]
Candidates = Annotated[int, typer.Option("--depth", min=2, help="Candidates of the first stage.")]
Permutations = Annotated[int, typer.Option(min=100, help="Of the randomisation tests.")]
Systems = Annotated[list[str] | None, typer.Option("--system", "-s", help=f"{_SYSTEM} Repeatable.")]
Measures = Annotated[
    list[str] | None, typer.Option("--measure", "-m", help=f"Repeatable. [default: {' '.join(DEFAULT)}]")
]


def first_system(run: str, first_stage: str, depth: int) -> str:
    """Name the first stage of `depth` candidates: a run's, if one is given, else our own retrieval's."""
    return f"run:{run}@{depth}" if run else f"{first_stage}@{depth}"


def request_of(given: Mapping[str, Any], *, systems: Sequence[str]) -> Request:
    """Put a command's options together, its systems or these; what it lacks of the machine comes from the settings."""
    chosen = settings(**{name: given.get(name) for name in MACHINE})
    named = {"systems": tuple(given["system"] or systems), "measures": tuple(given.get("measure") or DEFAULT)}
    machine = {name: getattr(chosen, name) for name in MACHINE}
    as_they_are = {field.name: given[field.name] for field in fields(Request) if field.name in given}
    return Request(**{**as_they_are, **named, **machine})


def check_places(reports: Sequence[Path], *, out: Path | None = None, kinds: Sequence[str] = (".html", ".md")) -> None:
    """Refuse what could not be written after a long run."""
    for path in reports:
        if path.suffix not in kinds:
            raise InputError(f"a report is {' or '.join(kinds)}, not {path.name!r}")
    for path in (*reports, *([out] if out is not None else [])):
        if not path.absolute().parent.is_dir():
            raise InputError(f"there is no folder {path.absolute().parent} for {path.name}; make it first")
