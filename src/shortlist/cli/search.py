"""`shortlist search`: the main job, from files to the best passages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from shortlist.build.gates import load_gate
from shortlist.build.indexing import index_paths
from shortlist.build.search import open_pipeline
from shortlist.cli.index import print_report
from shortlist.cli.options import (
    BudgetMs,
    Depth,
    Device,
    Diversity,
    Encoder,
    Engine,
    Exact,
    Exits,
    Fallback,
    Faster,
    FirstStageWeight,
    Gate,
    Json,
    LlmServer,
    LongDocuments,
    MinScore,
    MinScoreKind,
    Model,
    Precision,
    ScoreCache,
    Threads,
    TopK,
    check_needs,
    check_reranks,
    settings,
)
from shortlist.cli.output import (
    console,
    errors_console,
    print_degradations,
    print_json,
    print_notes,
    print_text,
    ranking_json,
    score_text,
    shown,
)
from shortlist.cli.places import INDEX_FOLDER, default_index, is_index
from shortlist.cli.progress import indexing
from shortlist.errors import IndexLockedError, InputError, ReadOnlyIndexError
from shortlist.ingest.walk import printable
from shortlist.retrieval.filters import PATH
from shortlist.settings import Settings
from shortlist.types import Query, Ranking, ScoredDocument

Searched = Annotated[
    Path, typer.Argument(help="An index, or a folder or file: it is indexed first, or brought up to date.")
]
LogReranks = Annotated[
    Path | None, typer.Option(help="Add to this file whether reranking changed what is shown: see train-gate.")
]


def search(
    question: Annotated[str, typer.Argument(help="What to look for, in plain words.", show_default=False)],
    path: Searched = Path(INDEX_FOLDER),
    top_k: TopK = None,
    depth: Depth = None,
    first_stage: Annotated[str, typer.Option(help="hybrid, weighted, bm25 or dense.")] = "hybrid",
    rerank: Annotated[bool, typer.Option("--rerank/--no-rerank", help="Whether the second stage runs.")] = True,
    where: Annotated[str | None, typer.Option(help='Metadata filter as JSON, e.g. \'{"format": "markdown"}\'.')] = None,
    model: Model = None,
    llm_server: LlmServer = None,
    fallback: Fallback = None,
    encoder: Encoder = None,
    engine: Engine = None,
    precision: Precision = None,
    device: Device = None,
    threads: Threads = None,
    long_documents: LongDocuments = None,
    score_cache: ScoreCache = None,
    exact: Exact = None,
    exits: Exits = None,
    budget_ms: BudgetMs = None,
    faster: Faster = None,
    gate: Gate = None,
    first_stage_weight: FirstStageWeight = None,
    diversity: Diversity = None,
    log_reranks: LogReranks = None,
    min_score: MinScore = None,
    score_kind: MinScoreKind = None,
    as_json: Json = False,
) -> None:
    """Find the passages that answer a question: retrieve wide, rerank, keep the few.

    Shows each passage with its place, its score, and where it stood before reranking.

    Example:  shortlist search "how do I undo a commit?" docs/
    """
    asked = Query(question)
    check_needs(faster=faster, budget_ms=budget_ms, score_kind=score_kind, min_score=min_score)
    second: dict[str, Any] = {"model": model, "fallback": fallback, "score_cache": score_cache, "exits": exits}
    second |= {"first_stage_weight": first_stage_weight, "llm_server": llm_server}
    check_reranks(rerank, **second, budget_ms=budget_ms, gate=gate, log_reranks=log_reranks)
    counts: dict[str, Any] = {"top_k": top_k, "depth": depth, "diversity": diversity}
    machine: dict[str, Any] = {"engine": engine, "precision": precision, "device": device, "threads": threads}
    chosen = settings(**second, **counts, **machine, encoder=encoder, long_documents=long_documents, exact=exact)
    how: dict[str, Any] = {"first_stage": first_stage, "rerank": rerank, "faster": faster or ()}
    how |= {"budgets": budget_ms is not None, "log": log_reranks}
    how |= {"where": {**_where(where), **within(path)}, "gate": None if gate is None else load_gate(gate)}
    with open_pipeline(ready_index(path, chosen), settings=chosen, **how) as pipeline:
        limits: dict[str, Any] = {"budget_ms": budget_ms, "min_score": min_score, "min_score_kind": score_kind}
        ranking = pipeline.search(asked, top_k=chosen.top_k, depth=max(chosen.depth, chosen.top_k), **limits)
    print_json(ranking_json(ranking)) if as_json else _print(ranking)
    print_degradations(ranking)


def ready_index(path: Path, chosen: Settings) -> Path:
    """Return the index at a path, after bringing it up to date when the path is one of documents."""
    if is_index(path) or not path.exists():
        return path
    target = default_index(path)
    try:
        with indexing() as watch:
            report = index_paths([path], target, settings=chosen, watch=watch)
    except (IndexLockedError, ReadOnlyIndexError) as error:
        if not is_index(target):
            raise
        print_notes([f"{error}; searching what is committed so far"])
        return target
    if report.added or report.removed:
        errors_console().print(
            f"indexed {report.added} files ({report.passages} passages) into {target}", soft_wrap=True
        )
    print_report(report, details=False)
    return target


def within(path: Path) -> dict[str, Any]:
    """Keep to the file that was named; its index holds its neighbours too, once they were indexed."""
    return {PATH: printable(path.name)} if path.is_file() else {}


def _where(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InputError(f'--where must be JSON, such as \'{{"format": "markdown"}}\': {error}') from error
    if not isinstance(value, dict):
        raise InputError(f"--where must be a JSON object of field and value, not {text}")
    return value


def _print(ranking: Ranking) -> None:
    screen = console()
    if not len(ranking):
        screen.print("nothing found")
        return
    for item in ranking:
        place = str(item.document.place or item.doc_id)
        heading = item.document.place.heading if item.document.place else item.document.title
        screen.print(shown(f"{item.rank}. {place}  {heading}"), style="bold", soft_wrap=True)
        print_text(screen, f"{_standing(ranking, item)}\n{_excerpt(item.document.text)}", margin=3)
        screen.print()
    screen.print(_steps(ranking))


def _standing(ranking: Ranking, item: ScoredDocument) -> str:
    before = [f"{s.stage} {s.rank}" for s in item.history]
    return f"score {score_text(item, digits=3)} ({ranking.score_kind.value}); stood at: {', '.join(before) or '-'}"


def _excerpt(text: str, *, lines: int = 6) -> str:
    kept = [line for line in text.splitlines() if line.strip()]
    more = [f"... {len(kept) - lines} more lines"] if len(kept) > lines else []
    return "\n".join(kept[:lines] + more)


def _steps(ranking: Ranking) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("step", "ms", "what"):
        table.add_column(column, justify="right" if column == "ms" else "left", overflow="fold")
    for step in ranking.trace.steps:
        facts = [_count(name, count) for name, count in step.counts.items()]
        device = step.facts.get("device", "cpu")
        facts += [step.facts[name] for name in ("engine", "precision") if name in step.facts]
        facts += [f"cost {step.facts['cost']}"] if "cost" in step.facts else []
        facts += [device] if device != "cpu" else []
        table.add_row(step.stage, f"{step.latency_ms:.1f}", ", ".join(facts))
    table.add_row("total", f"{ranking.trace.latency_ms:.1f}", "")
    return table


def _count(name: str, count: int) -> str:
    """Return a count in words: "200 documents in", and "98 ms encode" of encode_us, 97931."""
    if name.endswith("_us"):
        return f"{count / 1000:.0f} ms {name.removesuffix('_us')}"
    return f"{count} {name.replace('_', ' ')}"
