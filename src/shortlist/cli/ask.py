"""`shortlist ask`: an answer from one's own documents, with its places."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from shortlist.build.asking import Asked, Packing, answered
from shortlist.build.generators import load_generator
from shortlist.build.search import open_pipeline
from shortlist.cli.options import (
    BudgetMs,
    Depth,
    Diversity,
    Engine,
    Json,
    LlmServer,
    Model,
    Precision,
    Threads,
    settings,
)
from shortlist.cli.output import (
    console,
    print_json,
    print_notes,
    print_text,
    ranking_json,
    shown,
)
from shortlist.cli.places import INDEX_FOLDER
from shortlist.cli.search import ready_index, within
from shortlist.errors import InputError
from shortlist.generation import CheckedAnswer, Context, ContextPassage, Order
from shortlist.generation.question import NOT_FOUND
from shortlist.protocols import Generator
from shortlist.settings import Settings
from shortlist.types import Query

_USUAL = 4096  # tokens that a GGUF file is run with at least
_AROUND = 1024  # tokens of a prompt besides passages and answer: rules, question, marks of the model's own
_SPARE = 2  # how many ranked documents for each passage: near-duplicates of it count as one


_GeneratorName = Annotated[
    str | None, typer.Option("--generator", "-g", help="What answers: a GGUF file, or a model on --llm-server.")
]
_Generate = Annotated[
    bool, typer.Option("--generate/--no-generate", help="Whether a model answers, or the passages are all.")
]
_ShowContext = Annotated[bool, typer.Option("--show-context", help="Print what the model is given.")]
_Passages = Annotated[int, typer.Option("--passages", "-n", min=1, help="Different passages in the context.")]
_ContextTokens = Annotated[int, typer.Option(min=1, help="Tokens of the passages, fences included.")]
_Order = Annotated[str, typer.Option(help=f"{', '.join(one.value for one in Order)}.")]
_MaxTokens = Annotated[int, typer.Option(min=1, help="Length of the answer.")]
_Floor = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="Chance of an answer below which none is given. [default: measured]"),
]


def ask(
    question: Annotated[str, typer.Argument(help="What to answer, in plain words.", show_default=False)],
    path: Annotated[
        Path, typer.Argument(help="An index, or a folder or file: it is indexed first, or brought up to date.")
    ] = Path(INDEX_FOLDER),
    generator: _GeneratorName = None,
    llm_server: LlmServer = None,
    generate: _Generate = True,
    show_context: _ShowContext = False,
    passages: _Passages = 8,
    context_tokens: _ContextTokens = 2000,
    order: _Order = Order.BEST_FIRST.value,
    max_tokens: _MaxTokens = 256,
    floor: _Floor = None,
    depth: Depth = None,
    model: Model = None,
    engine: Engine = None,
    precision: Precision = None,
    threads: Threads = None,
    budget_ms: BudgetMs = None,
    diversity: Diversity = None,
    as_json: Json = False,
) -> None:
    """Answer a question from documents, with citations that name file and lines.

    Retrieves, reranks, packs the best passages into the model's context, streams its answer, and
    checks every citation: what cites nothing, or is not supported by what it cites, is marked.
    Says "not in these documents" when the best passage is too unlikely to hold the answer.

    Example:  shortlist ask "how do I undo a commit?" docs/ --generator model.gguf
    """
    asked = Query(question)
    given = {"generator": generator, "llm_server": llm_server, "depth": depth, "model": model, "diversity": diversity}
    chosen = settings(**given, engine=engine, precision=precision, threads=threads)
    packing = Packing(context_tokens, passages, Order(order))
    answering = _generator(chosen, context=max(_USUAL, context_tokens + max_tokens + _AROUND)) if generate else None
    found = max(chosen.top_k, passages * _SPARE)
    how: dict[str, Any] = {"where": within(path), "budgets": budget_ms is not None}
    with open_pipeline(ready_index(path, chosen), settings=chosen, **how) as pipeline:
        ranking = pipeline.search(asked, top_k=found, depth=max(chosen.depth, found), budget_ms=budget_ms)
    streams = not as_json
    result = answered(
        ranking,
        packing=packing,
        generator=answering,
        floor=floor,
        max_tokens=max_tokens,
        write=_written if streams else None,
    )
    print_json(asked_json(result)) if as_json else _print(result, show_context=show_context or not generate)
    print_notes([*ranking.trace.degradations, *result.notes])


def _generator(chosen: Settings, *, context: int) -> Generator:
    if chosen.generator == "none":
        raise InputError(
            "nothing is named that could answer; give --generator model.gguf, or --generator NAME --llm-server"
            " http://localhost:8000/v1 (or set them in shortlist.toml), or --no-generate for the passages alone"
        )
    return load_generator(chosen.generator, server=chosen.llm_server, context=context)


def _written(text: str) -> None:
    sys.stdout.write(shown(text))
    sys.stdout.flush()


def _print(result: Asked, *, show_context: bool) -> None:
    screen = console()
    if result.completion is not None:
        screen.print()
    if show_context:
        screen.print(shown(result.context.text), soft_wrap=True)
    if not result.is_found:
        print_text(screen, f"{NOT_FOUND} ({_chance(result)})")
    elif result.answer is not None:
        _print_checked(result.answer, result.context)


def _chance(result: Asked) -> str:
    if result.chance is None or not len(result.ranking):
        return "nothing was found"
    return f"the chance that the best passage answers is {result.chance:.2f}, below the floor of {result.floor:.2f}"


def _print_checked(answer: CheckedAnswer, context: Context) -> None:
    screen = console()
    for sentence in answer.sentences:
        if sentence.notes:
            screen.print(shown(f"  ! {', '.join(sentence.notes)}: {sentence.text}"), style="bold", soft_wrap=True)
    cited = answer.cited
    screen.print("\ncited:" if cited else "\nit cites nothing; it was given:", style="bold")
    for passage in cited or () if answer.is_refusal else cited or context.passages:
        screen.print(shown(f"  [{passage.mark}] {place_of(passage)}"), soft_wrap=True)


def place_of(passage: ContextPassage) -> str:
    """Return where a passage stands, with its heading: "docs/tower.md:3-5  Height"."""
    place = passage.document.place
    heading = place.heading if place else passage.document.title
    return f"{place or passage.document.doc_id}  {heading}".rstrip()


def asked_json(result: Asked) -> dict[str, Any]:
    """Return an asked question as plain JSON values: answer, sentences, context, ranking."""
    answer, completion = result.answer, result.completion
    return {
        "question": result.ranking.query.text,
        "found": result.is_found,
        "chance": result.chance,
        "floor": result.floor,
        "answer": None if answer is None else answer.text,
        "is_refusal": None if answer is None else answer.is_refusal,
        "sentences": [] if answer is None else [_sentence_json(sentence) for sentence in answer.sentences],
        "support": "" if answer is None else answer.method,
        "usage": None
        if completion is None
        else {"prompt_tokens": completion.prompt_tokens, "completion_tokens": completion.completion_tokens},
        "context": {
            "tokens": result.context.tokens,
            "budget": result.context.budget,
            "left_out": list(result.context.left_out),
            "passages": [_passage_json(passage) for passage in result.context.passages],
            "text": result.context.text,
        },
        "ranking": ranking_json(result.ranking),
        "notes": list(result.notes),
    }


def _sentence_json(sentence: Any) -> dict[str, Any]:
    return {
        "text": sentence.text,
        "start": sentence.start,
        "end": sentence.end,
        "cites": [passage.mark for passage in sentence.passages],
        "missing": list(sentence.missing),
        "is_supported": sentence.is_supported,
    }


def _passage_json(passage: ContextPassage) -> dict[str, Any]:
    place = passage.document.place
    return {
        "mark": passage.mark,
        "place": None if place is None else asdict(place),
        "doc_ids": [source.doc_id for source in passage.sources],
        "text": passage.document.text,
    }
