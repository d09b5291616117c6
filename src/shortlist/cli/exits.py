"""`shortlist exits`: how early a model with exits may drop candidates, from queries like those to come."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from shortlist.build.exit_margins import fit_margins
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
    first_system,
    request_of,
)
from shortlist.cli.options import Encoder, Engine, Json, Precision, Threads, settings
from shortlist.cli.output import console, print_json, shown
from shortlist.cli.progress import CountingProgress


def exits(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="A folder with exit_heads.safetensors, as `shortlist train` writes it.")],
    out: Annotated[Path, typer.Argument(help="File for the margins; --exits of search and rerank reads it.")],
    collection: Collection = "",
    split: Split = "",
    qrels: Qrels = "",
    queries: Queries = "",
    corpus: Corpus = "",
    index: IndexFolder = "",
    run: Run = "",
    first_stage: FirstStage = "hybrid",
    depth: Candidates = 100,
    top_k: Annotated[int, typer.Option("--top-k", "-k", min=1, help="How many must be kept as they are.")] = 10,
    risk: Annotated[float, typer.Option(help="Share of queries that may lose one of those.")] = 0.1,
    sample: Sample = 0,
    seed: Seed = 0,
    encoder: Encoder = None,
    engine: Engine = None,
    precision: Precision = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Find out how far behind a candidate may be at each exit of a model and still be read on.

    A candidate further behind the top k is dropped there. Of queries like these, a share of at most --risk loses one
    of its final top k. Judgements are not needed; about 10 / risk queries are.

    Example:  shortlist exits my-model exits.json --queries q.jsonl --index docs/.shortlist
    """
    chosen = settings(encoder=encoder, engine=engine, precision=precision, threads=threads)
    request = request_of({**context.params, "system": [first_system(run, first_stage, depth)]}, systems=())
    with CountingProgress("indexing", "documents") as indexing, CountingProgress("asking", "queries") as asking:
        made = fit_margins(
            request, model, settings=chosen, top_k=top_k, risk=risk, watch=asking.watch, filling=indexing.watch
        )
    made.save(out)
    if as_json:
        print_json(asdict(made) | {"margins": [one if math.isfinite(one) else None for one in made.margins]})
        return
    for place, margin in enumerate(made.margins, 1):
        drops = (
            f"drops what is more than {margin:.3f} behind"
            if math.isfinite(margin)
            else "drops nothing: too few queries"
        )
        console().print(shown(f"exit {place} {drops}"))
    console().print(shown(f"from {made.queries} queries, for the top {made.top_k} at a risk of {made.risk:g}: {out}"))
