"""`shortlist exits`: how early a model may drop candidates, from queries like those to come."""

from __future__ import annotations

import math
from collections.abc import Sequence
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
from shortlist.cli.progress import counting
from shortlist.errors import InputError

TOP_KS = (1, 3, 5, 10, 20)


def exits(
    context: typer.Context,
    model: Annotated[
        str,
        typer.Argument(help="A blend, or a folder with exit_heads.safetensors, as `shortlist train` writes it."),
    ],
    out: Annotated[Path, typer.Argument(help="File for the margins; --exits of search, rerank and serve reads it.")],
    collection: Collection = "",
    split: Split = "",
    qrels: Qrels = "",
    queries: Queries = "",
    corpus: Corpus = "",
    index: IndexFolder = "",
    run: Run = "",
    first_stage: FirstStage = "hybrid",
    depth: Candidates = 100,
    top_k: Annotated[
        list[int] | None,
        typer.Option(
            "--top-k", "-k", min=1, help="How many must be kept as they are; may be repeated. [default: 1 3 5 10 20]"
        ),
    ] = None,
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

    The first exit is before the first layer, by the parts of a blend that cost next to nothing; others follow where
    the model was trained with some. A candidate further behind the top k is dropped there. Of queries like these, a
    share of at most --risk loses one of its final top k. Judgements are not needed; about 10 / risk queries are.

    Example:  shortlist exits shortlist-l6 exits.json --queries q.jsonl --index docs/.shortlist
    """
    if not out.absolute().parent.is_dir():
        raise InputError(f"margins are written to a file in a folder that is there, not {out}")
    chosen = settings(encoder=encoder, engine=engine, precision=precision, threads=threads)
    request = request_of({**context.params, "system": [first_system(run, first_stage, depth)]}, systems=())
    with counting("indexing", "documents") as filling, counting("asking", "queries") as watch:
        made = fit_margins(
            request, model, settings=chosen, top_ks=top_k or TOP_KS, risk=risk, watch=watch, filling=filling
        )
    made.save(out)
    if as_json:
        print_json(made.to_dict())
        return
    for kth, margins in made.by_top_k.items():
        console().print(shown(f"top {kth}: {_in_words(margins)}"), soft_wrap=True)
    console().print(shown(f"from {made.queries} queries, at a risk of {made.risk:g}: {out}"))


def _in_words(margins: Sequence[float]) -> str:
    found = [
        f"{f'at exit {place}' if place else 'before the first layer'} what is more than {margin:.3f} behind is dropped"
        for place, margin in enumerate(margins)
        if math.isfinite(margin)
    ]
    return "; ".join(found) or "nothing is dropped: too few queries"
