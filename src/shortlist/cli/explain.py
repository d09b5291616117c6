"""`shortlist explain`: which words of a document carried its score."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from shortlist.build.reranker import Reranker
from shortlist.cli.options import Device, Engine, Json, LongDocuments, Model, Precision, ScoreCache, Threads, settings
from shortlist.cli.output import console, print_json, print_notes, shown
from shortlist.errors import InputError
from shortlist.scorers.occlusion import METHOD, WHOLE, Explanation
from shortlist.types import Query


def explain(
    query: Annotated[str, typer.Argument(help="The query.", show_default=False)],
    document: Annotated[str | None, typer.Argument(help="The document's text; none: read it from stdin.")] = None,
    model: Model = None,
    engine: Engine = None,
    precision: Precision = None,
    device: Device = None,
    threads: Threads = None,
    long_documents: LongDocuments = None,
    score_cache: ScoreCache = None,
    as_json: Json = False,
) -> None:
    """Say which words of a document carried its score for a query.

    The document is scored again without each of at most 32 parts: a weight is the score that is lost
    then, and a negative one that the part spoke against it.

    Example:  shortlist explain "how tall is it?" "It is of iron. It is 330 m tall."
    """
    asked, text = Query(query), sys.stdin.buffer.read().decode("utf-8", "replace") if document is None else document
    if not text.strip():
        raise InputError("there is no text to explain; give it as an argument, or on stdin")
    machine: dict[str, Any] = {"engine": engine, "precision": precision, "device": device, "threads": threads}
    alone = settings(
        model=model, **machine, long_documents=long_documents, score_cache=score_cache, fallback=[], exits="none"
    )
    found = Reranker.of(alone).explain(asked, text)
    print_json(_json(found)) if as_json else _print(found)
    cuts = (one for step in found.trace.steps for one in step.truncations if one.doc_id == WHOLE)
    print_notes(f"a model {cut.extent}; what stands behind them weighs little or nothing" for cut in cuts)


def _json(found: Explanation) -> dict[str, Any]:
    text = found.document.text
    return {
        "query": found.query.text,
        "score": found.score,
        "score_kind": found.score_kind.value,
        "method": METHOD,
        "parts": [{**asdict(part), "text": text[part.start : part.end]} for part in found.parts],
        "trace": [step.to_dict() for step in found.trace.steps],
    }


def _print(found: Explanation) -> None:
    console().print(shown(f"score {found.score:.3f} ({found.score_kind.value}); without its words it loses:"))
    for part in found.parts:
        words = " ".join(found.document.text[part.start : part.end].split())
        console().print(shown(f"{part.weight:>+9.3f}  {words}"), soft_wrap=True)
