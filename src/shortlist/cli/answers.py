"""`shortlist evaluate answers`: the generator with and without reranking."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from shortlist.build.answers import JUDGES, Asking, study_request
from shortlist.build.generators import load_generator
from shortlist.cli.evaluating import (
    Collection,
    Corpus,
    IndexFolder,
    Permutations,
    Qrels,
    Queries,
    Sample,
    Seed,
    Systems,
    check_places,
    request_of,
)
from shortlist.cli.options import Device, Encoder, Engine, Json, LlmServer, Precision, Threads, command_line
from shortlist.cli.output import console, print_json, print_notes, shown
from shortlist.cli.progress import counting
from shortlist.cli.tables import print_table
from shortlist.errors import InputError
from shortlist.evaluation.answers.report import answers_report, means, notes, tests
from shortlist.evaluation.answers.study import AnswerStudy, Plan

_SYSTEMS = ("bm25@30", "bm25@30 > shortlist-l6")


def answers(
    given: typer.Context,
    collection: Collection = "",
    system: Systems = None,
    numbers: Annotated[str, typer.Option("--passages", "-n", help="How many the generator reads.")] = "1,3,5,10,30",
    generator: Annotated[str, typer.Option(help="A GGUF file, or a model on --llm-server. [default: none]")] = "",
    llm_server: LlmServer = None,
    context: Annotated[
        int | None, typer.Option(min=256, help="Tokens of prompt and answer of a GGUF file. [default: 4096]")
    ] = None,
    replies: Annotated[
        str, typer.Option(help="File that gets every reply at once; what it holds already is not asked again.")
    ] = "",
    judge: Annotated[str, typer.Option(help=f"Of faithfulness: {', '.join(JUDGES)}.")] = "cross-encoder",
    words: Annotated[int, typer.Option(min=0, help="Words of passages in a prompt; 0: all.")] = 0,
    gold: Annotated[str, typer.Option(help="Gold answers: JSONL. [default: answers.jsonl of the collection]")] = "",
    qrels: Qrels = "",
    queries: Queries = "",
    corpus: Corpus = "",
    index: IndexFolder = "",
    sample: Sample = 0,
    seed: Seed = 0,
    permutations: Permutations = 100_000,
    encoder: Encoder = None,
    engine: Engine = None,
    precision: Precision = None,
    threads: Threads = None,
    device: Device = None,
    out: Annotated[Path | None, typer.Option(help="Save the whole study in one JSON file.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the report: .md.")] = None,
    as_json: Json = False,
) -> None:
    """Measure the answers that a generator gives from the first passages, with and without reranking.

    Exact match and token F1 as SQuAD's, whether the answer stands in the passages (needs no
    generator), how often it is given at all, and the share of its sentences that the passages
    support. Every system is tested against the first one at the same number of passages.

    Example:  shortlist evaluate answers -c data/xquad_en --sample 200 --generator model.gguf
    """
    check_places([report] if report is not None else (), out=out, kinds=[".md"])
    request = request_of(given.params, systems=_SYSTEMS)
    asking = Asking(
        Plan(_numbers(numbers), words, permutations, seed),
        load_generator(generator, server=request.llm_server, threads=threads, context=context) if generator else None,
        judge,
        answers_file=gold,
        replies_file=replies,
    )
    with counting("indexing", "documents") as filling, counting("answering", "questions") as watch:
        study = study_request(request, asking, command=command_line(), watch=watch, filling=filling)
    _hand_over(study, out, report, as_json=as_json)


def _numbers(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise InputError(f"--passages takes whole numbers from 1 with commas, such as 1,3,5; got {text!r}")
    return tuple(dict.fromkeys(map(int, parts)))


def _hand_over(study: AnswerStudy, out: Path | None, report: Path | None, *, as_json: bool) -> None:
    values: dict[str, Any] = asdict(study)
    try:
        if out is not None:
            out.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
        if report is not None:
            report.write_text(answers_report(study), encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"cannot write {error.filename}: {error.strerror}") from error
    if as_json:
        print_json(values)
        return
    for measure in study.measures:
        console().print(shown(measure))
        print_table(*means(study, measure))
        if len(study.systems) > 1:
            print_table(*tests(study, measure))
    print_notes(notes(study))
