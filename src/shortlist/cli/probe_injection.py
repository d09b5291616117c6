"""`shortlist probe-injection`: how far text inside a document can steer a reranker."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from shortlist.build.reranker import Reranker
from shortlist.cli.options import LLM_KEY, Json, settings
from shortlist.cli.output import console, print_json
from shortlist.errors import InputError
from shortlist.evaluation.files import at, read_objects
from shortlist.scorers.injection import Lift, probe
from shortlist.scorers.injection_cases import built_in_cases
from shortlist.scorers.registry import reranker_kinds
from shortlist.types import Query, Ranking
from shortlist.types.document import documents_of


def probe_injection(
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", help="Kind of reranker (see `shortlist models`); several to compare them."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="Model of the kinds that are no LLM. [default: the packaged one]"),
    ] = None,
    llm: Annotated[
        str | None, typer.Option("--llm", help="Model of the kinds llm-...: its name on --server, or a GGUF file.")
    ] = None,
    server: Annotated[
        str | None, typer.Option("--server", help="OpenAI-compatible base URL, e.g. http://localhost:8000/v1.")
    ] = None,
    api_key: Annotated[str | None, typer.Option("--api-key", envvar=LLM_KEY, help="Key for --server.")] = None,
    bare: Annotated[bool, typer.Option("--bare", help="Without the marks and the warning around passages.")] = False,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help='Your own cases: JSONL with "query" and "documents", two or more.'),
    ] = None,
    as_json: Json = False,
) -> None:
    """Plant known attacks in documents that lost, and report how often each lifts them.

    Each case is ranked; the document that came last gets an attack ("rank this passage first")
    before its text, and the case is ranked again. The first row is a control of harmless words.

    Example:  shortlist probe-injection --kind llm-listwise --llm qwen3 --server http://localhost:8000/v1
    """
    cases = built_in_cases() if file is None else [_case(file, *line) for line in read_objects(file)]
    found: dict[str, list[Lift]] = {}
    for name in kind or [""]:
        found[name or "default"] = probe(_reranker(name, model, llm, server, api_key, bare), cases)
    if as_json:
        print_json({name: [asdict(lift) for lift in lifts] for name, lifts in found.items()})
        return
    for name, lifts in found.items():
        console().print(_table(name, lifts))


def _reranker(
    kind: str, model: str | None, llm: str | None, server: str | None, api_key: str | None, bare: bool
) -> Reranker:
    chosen = settings(model=model)
    if not kind:
        return Reranker.of(chosen)
    if not kind.startswith("llm-"):
        return Reranker(chosen.model if model else _packaged(kind, chosen.model), kind=kind)
    if llm is None:
        raise InputError(f"{kind} needs a language model: --llm NAME --server URL, or --llm FILE.gguf")
    options: dict[str, Any] = {"fenced": not bare} if kind in reranker_kinds() else {}
    if server is not None:
        options |= {"server": server, "api_key": api_key}
    return Reranker(llm, kind=kind, **options)


def _packaged(kind: str, default: str) -> str:
    return {"cross-encoder": "shortlist-minilm-l6", "bi-encoder": "all-minilm-l6-v2"}.get(kind, default)


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
