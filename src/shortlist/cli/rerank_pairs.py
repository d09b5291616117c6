"""`shortlist rerank --pairs` and `--run`: files of any size, here or on a Ray cluster, resumed after a failure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated

import typer

from shortlist.build.models import options_of
from shortlist.cli.output import console, errors_console, print_json, print_notes, print_text, shown
from shortlist.errors import InputError
from shortlist.evaluation.runs import write_run
from shortlist.scale.drafts import drafted
from shortlist.scale.job import ROWS, Job, in_process, is_new, scored_pairs
from shortlist.scale.ray_batch import on_ray
from shortlist.scale.runs import run_of, write_pairs
from shortlist.settings import Settings

PairsFile = Annotated[
    Path | None,
    typer.Option("--pairs", help="Score the pairs of a file instead: .jsonl or .parquet with query and text."),
]
RunFile = Annotated[Path | None, typer.Option("--run", help="Rerank a TREC run instead; with --queries and --corpus.")]
QueriesFile = Annotated[Path | None, typer.Option("--queries", help="The run's queries: JSONL or tab-separated.")]
CorpusFile = Annotated[Path | None, typer.Option("--corpus", help="The run's documents: JSONL.")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder for the scores; name it again to go on.")]
OnRay = Annotated[bool, typer.Option("--ray", help="Score on Ray: RAY_ADDRESS, else a cluster of this machine.")]
Workers = Annotated[int, typer.Option(min=0, help="With --ray: workers. [default: as many as fit]", show_default=False)]
Cores = Annotated[int, typer.Option(min=1, help="With --ray: cores a worker.")]


@dataclass(frozen=True, slots=True)
class PairsAsked:
    """What is given to score every pair once: a file of pairs, or a run with its queries and corpus."""

    pairs: Path | None = None
    run: Path | None = None
    queries: Path | None = None
    corpus: Path | None = None
    out: Path | None = None
    ray: bool = False
    workers: int = 0
    cores: int = 1


def rerank_pairs(chosen: Settings, asked: PairsAsked, *, as_json: bool) -> None:
    """Score every pair once, and write a run where one was given."""
    out, run = asked.out, asked.run
    if out is None or (asked.pairs is None) == (run is None):
        raise InputError(
            "give a query and documents; or --out FOLDER, and either --pairs FILE or --run FILE with --queries and"
            " --corpus"
        )
    made_of = {} if run is None else _named(run=run, queries=asked.queries, corpus=asked.corpus)
    source = asked.pairs or _joined(out, **made_of)
    options = options_of(chosen)
    if asked.ray:
        runner = on_ray(chosen.model, options, workers=asked.workers, cores=asked.cores)
    else:
        runner = in_process(chosen.model, options)
    done = Job(source, out, chosen.model, options, ROWS, made_of).run(runner, watch=_watch)
    print_notes(done.remarks[:20])
    if run is not None:
        reranked = run_of(chosen.model, scored_pairs(out))
        write_run(out / f"reranked{reranked.suffix}", reranked)
    if as_json:
        print_json(asdict(done))
        return
    resumed = f", {done.resumed} of {done.parts} parts by the run before" if done.resumed else ""
    console().print(shown(f"{out}: {done.pairs} pairs scored by {done.scorer}{resumed}"), soft_wrap=True)


def refuse(where: str = "with --pairs and --run, which score every pair once", /, **given: object) -> None:
    """Raise InputError for an option that has no meaning there."""
    for name, value in given.items():
        if value is not None:
            option = name if name.isupper() else _option(name)
            raise InputError(f"{option} has no meaning {where}; leave it out")


def refuse_pairs(asked: PairsAsked) -> None:
    """Raise InputError for an option that has a meaning only where pairs are scored."""
    for field in fields(asked):
        if getattr(asked, field.name) != field.default:
            raise InputError(
                f"{_option(field.name)} has a meaning only with --pairs or --run, in place of a query; leave it out"
            )


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _named(**files: Path | None) -> dict[str, Path]:
    named = {name: file for name, file in files.items() if file is not None}
    if len(named) < len(files):
        raise InputError("a run holds ids only: give --queries and --corpus with it")
    for file in named.values():
        if not file.is_file():
            raise InputError(f"there is no file {file}; check the spelling")
    return named


def _joined(out: Path, *, run: Path, queries: Path, corpus: Path) -> Path:
    target = out / ".pairs.jsonl"
    if is_new(out) or not target.exists():  # made once for a job, which checks what it was made of
        with drafted(target) as draft:
            write_pairs(draft, run=run, queries=queries, corpus=corpus)
            if is_new(out) or not target.exists():  # another process may have begun the same job meanwhile
                draft.replace(target)
    return target


def _watch(done: int, total: int) -> None:
    print_text(errors_console(), f"{done} of {total} parts")
