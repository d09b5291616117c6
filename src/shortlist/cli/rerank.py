"""`shortlist rerank`: reorder given documents for a query."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from shortlist.build.models import load_encoder
from shortlist.build.reranker import Reranker
from shortlist.cli.options import (
    BudgetMs,
    Device,
    Diversity,
    Engine,
    Exact,
    Exits,
    Fallback,
    Faster,
    Json,
    LlmServer,
    LongDocuments,
    MinScore,
    MinScoreKind,
    Model,
    Precision,
    ScoreCache,
    Threads,
    check_needs,
    settings,
)
from shortlist.cli.output import (
    console,
    errors_console,
    print_degradations,
    print_json,
    print_text,
    ranking_json,
    score_text,
    shown,
)
from shortlist.cli.rerank_pairs import (
    Cores,
    CorpusFile,
    OnRay,
    Out,
    PairsAsked,
    PairsFile,
    QueriesFile,
    RunFile,
    Workers,
    refuse,
    refuse_pairs,
    rerank_pairs,
)
from shortlist.errors import InputError
from shortlist.pipeline import diversified, with_vectors
from shortlist.settings import Settings
from shortlist.types import Query, Ranking
from shortlist.types.document import documents_of

Asked = Annotated[str | None, typer.Argument(help="The query; none with --pairs and --run.")]
Documents = Annotated[list[str] | None, typer.Argument(help="Documents, one an argument; none: read them from stdin.")]
DocumentsFile = Annotated[
    Path | None, typer.Option("--file", "-f", help="Read documents from a file: JSONL, or one a line.")
]
TopK = Annotated[int | None, typer.Option("--top-k", "-k", min=1, help="How many come out. [default: all]")]
CalibrationFile = Annotated[
    Path | None, typer.Option(help="Show probabilities, by a file that was fitted for this model.")
]
Estimate = Annotated[
    bool | None,
    typer.Option(
        "--estimate",
        help="Say what a language model would take in calls and tokens, and ask nothing.",
        show_default=False,
    ),
]


def rerank(
    query: Asked = None,
    documents: Documents = None,
    file: DocumentsFile = None,
    top_k: TopK = None,
    model: Model = None,
    llm_server: LlmServer = None,
    estimate: Estimate = None,
    fallback: Fallback = None,
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
    calibration: CalibrationFile = None,
    diversity: Diversity = None,
    min_score: MinScore = None,
    score_kind: MinScoreKind = None,
    pairs: PairsFile = None,
    run: RunFile = None,
    queries: QueriesFile = None,
    corpus: CorpusFile = None,
    out: Out = None,
    ray: OnRay = False,
    workers: Workers = 0,
    cores: Cores = 1,
    as_json: Json = False,
) -> None:
    """Put documents into the order of their relevance to a query.

    A line of a file or of stdin is a document: a JSON object with "text" (and "id", "title",
    and what else is to come back), a JSON string, or plain text.

    With --pairs or --run it scores a file of any size into --out, part by part, and goes on where it
    was cut off; with --ray on many machines.

    Example:  shortlist rerank "how tall is it?" "It is 330 m tall." "It is of iron."
    """
    machine: dict[str, Any] = {"engine": engine, "precision": precision, "device": device, "threads": threads}
    machine |= {"long_documents": long_documents, "score_cache": score_cache, "exact": exact, "exits": exits}
    chosen = settings(model=model, llm_server=llm_server, fallback=fallback, diversity=diversity, **machine)
    how: dict[str, Any] = {"faster": faster, "calibration": calibration}
    limits: dict[str, Any] = {"budget_ms": budget_ms, "min_score": min_score, "score_kind": score_kind}
    in_pairs = PairsAsked(pairs, run, queries, corpus, out, ray, workers, cores)
    if query is None or pairs is not None or run is not None:
        refuse(QUERY=query, file=file, top_k=top_k, fallback=fallback, **how, **limits, score_cache=score_cache)
        refuse(exits=exits, diversity=diversity, estimate=estimate)
        return rerank_pairs(chosen, in_pairs, as_json=as_json)
    refuse_pairs(in_pairs)
    check_needs(faster=faster, budget_ms=budget_ms, score_kind=score_kind, min_score=min_score)
    asked, given = Query(query), _given(documents, file)
    if estimate:
        refuse("with --estimate, which is of one model that ranks without more", **how, **limits, fallback=fallback)
        return _print_estimate(chosen, asked, given, top_k, as_json=as_json)
    return _print(_ranked(chosen, asked, given, top_k, how, **limits), as_json=as_json)


def _print_estimate(chosen: Settings, query: Query, given: list[Any], top_k: int | None, *, as_json: bool) -> None:
    top_k = None if chosen.diversity else top_k  # what stands behind the first ones counts then
    found = Reranker.of(replace(chosen, fallback=())).estimate(query, given, top_k=top_k)
    if as_json:
        return print_json(asdict(found))
    cost = "" if found.cost is None else f", {found.cost:.6f} in money"
    return print_text(
        console(),
        f"at most {found.calls} calls, about {found.prompt_tokens} tokens read and {found.completion_tokens}"
        f" written{cost}",
    )


def _ranked(
    chosen: Settings,
    query: Query,
    given: list[Any],
    top_k: int | None,
    how: dict[str, Any],
    *,
    budget_ms: float | None,
    min_score: float | None,
    score_kind: str | None,
) -> Ranking:
    """Rank as the settings say; for diversity with vectors, which a blend takes for its own cosine as well."""
    how = {**how, "faster": how["faster"] or ()}
    if not chosen.diversity:
        limits: dict[str, Any] = {"budget_ms": budget_ms, "min_score": min_score, "min_score_kind": score_kind}
        return Reranker.of(chosen, **how).rank(query, given, top_k=top_k, **limits)
    if budget_ms is not None:
        raise InputError(
            "--diversity encodes every document, which no --budget-ms counts; leave one out (--diversity 0)"
        )
    encoder = load_encoder(chosen)
    candidates = with_vectors(Ranking.in_order(query, documents_of(given)), encoder)
    ranking = Reranker.of(chosen, encoder=encoder, **how).rerank(candidates)
    if min_score is not None:
        ranking = ranking.at_least(min_score, kind=score_kind, given=candidates.stage)
    return diversified(ranking, chosen.diversity, top_k=top_k)


def _given(documents: list[str] | None, file: Path | None) -> list[Any]:
    given = list(documents or []) if documents or file else list(_lines(sys.stdin.buffer))
    if len(given) == 1 and documents and os.path.isfile(documents[0]):
        print_text(errors_console(), f"note: {documents[0]} is a file, but is taken for a text; --file reads it")
    if file is not None:
        given += list(_read(file))
    if not given:
        raise InputError("there are no documents to rerank; give them as arguments, with --file, or on stdin")
    return given


def _print(ranking: Ranking, *, as_json: bool) -> None:
    if as_json:
        print_json(ranking_json(ranking))
    else:
        for item in ranking:
            text = " ".join(item.document.full_text.split())
            console().print(
                shown(f"{item.rank:>3} {score_text(item, digits=4):>9}  {item.doc_id}  {text:.200}"), soft_wrap=True
            )
    print_degradations(ranking)


def _read(file: Path) -> Iterator[Any]:
    try:
        with file.open("rb") as lines:
            yield from _lines(lines)
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from error


def _lines(lines: Iterable[bytes]) -> Iterator[Any]:
    for number, raw in enumerate(lines, 1):
        line = raw.decode("utf-8", "replace").strip().removeprefix("\ufeff")
        if line[:1] in {"{", '"'}:
            try:
                yield json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InputError(
                    f"line {number} begins like JSON but is not: {error}; text needs quotes then"
                ) from error
        elif line:
            yield line
