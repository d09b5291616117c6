"""The options that several commands share, and the settings they add up to."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from shortlist.build.generators import KEY
from shortlist.cli.completion import model_names
from shortlist.cli.environment import strays
from shortlist.cli.output import print_notes
from shortlist.errors import InputError
from shortlist.settings import FILE_NAME, Settings

Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="Reranker: a name that `shortlist models` lists, a folder, owner/name, or kind:name[option=value].",
        autocompletion=model_names,
    ),
]
LlmServer = Annotated[
    str | None,
    typer.Option(
        "--llm-server",
        help=f"OpenAI-compatible server of language models, with its /v1; a key goes into {KEY}. [default: none]",
    ),
]
Fallback = Annotated[
    list[str] | None,
    typer.Option("--fallback", help="Asked when the model fails; may be given several times, for one after another."),
]
Gate = Annotated[
    str | None,
    typer.Option("--gate", help="Rerank only where it is worth it: 'rules', or the file of a trained gate."),
]
FirstStageWeight = Annotated[
    float | None,
    typer.Option(
        "--first-stage-weight",
        min=0,
        max=1,
        help="Share of the first stage's scores in the order, as `shortlist advise` fits it. [default: 0]",
    ),
]
Diversity = Annotated[
    float | None,
    typer.Option(
        "--diversity",
        min=0,
        max=1,
        help="How far to put back what repeats a better one; scores stand (1 - lambda of MMR). [default: 0]",
    ),
]
Encoder = Annotated[str | None, typer.Option("--encoder", help="Bi-encoder: a packaged name, a folder, or owner/name.")]
Engine = Annotated[str | None, typer.Option("--engine", help="auto, native, openvino, onnxruntime or torch.")]
Precision = Annotated[str | None, typer.Option("--precision", help="auto, fp32, bf16, fp16, int16 or int8.")]
Device = Annotated[
    str | None, typer.Option("--device", help="Where the reranker runs: auto, cpu, cuda or cuda:1; a GPU needs torch.")
]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Default: every core this process may use.")]
LongDocuments = Annotated[
    str | None,
    typer.Option(
        "--long-documents",
        help="What is read of a long one: auto, head, head+tail, passages-max, passages-short, passages-80, or error.",
    ),
]
Exact = Annotated[
    bool | None,
    typer.Option(
        "--exact", help="Score a pair the same to the bit whatever it comes with; slower.", show_default=False
    ),
]
Exits = Annotated[
    str | None,
    typer.Option(
        "--exits",
        help="Drop candidates that cannot reach the top k early: packaged, or a file of `shortlist exits`.",
    ),
]
ScoreCache = Annotated[
    str | None,
    typer.Option(
        "--score-cache", help="Keep scores for pairs that come again: none, disk (which processes share), or a file."
    ),
]
TopK = Annotated[int | None, typer.Option("--top-k", "-k", min=1, help="How many come out. [default: 5]")]
Depth = Annotated[
    int | None,
    typer.Option("--depth", min=1, help="Candidates of the first stage, never fewer than come out. [default: 100]"),
]
BudgetMs = Annotated[
    float | None,
    typer.Option(
        "--budget-ms",
        min=1,
        help="How long it may take; then the best order so far. [default: no limit]",
    ),
]
Faster = Annotated[
    list[str] | None,
    typer.Option("--faster", help="Model to take instead when the budget is too small for --model; may be repeated."),
]
MinScore = Annotated[
    float | None,
    typer.Option("--min-score", help="Leave out what is scored below: a probability, or of the --score-kind."),
]
MinScoreKind = Annotated[
    str | None, typer.Option("--score-kind", help="What --min-score is of when scores are not calibrated, e.g. logit.")
]


def command_line() -> str:
    """Return the command as it was typed, for the record of what came of it."""
    return shlex.join(["shortlist", *sys.argv[1:]])


def check_needs(
    *, faster: list[str] | None, budget_ms: float | None, score_kind: str | None, min_score: float | None
) -> None:
    """Raise InputError for an option that has no meaning without another one, which is not given."""
    if faster and budget_ms is None:
        raise InputError("--faster has no meaning without --budget-ms, which it is for; give that, or leave it out")
    if score_kind is not None and min_score is None:
        raise InputError("--score-kind has no meaning without --min-score, which it is of; give that, or leave it out")


def check_reranks(rerank: bool, **given: object) -> None:
    """Raise InputError for an option of the second stage, where that does not run."""
    for name, value in given.items():
        if value is not None and not rerank:
            option = "--" + name.replace("_", "-")
            raise InputError(f"{option} has no meaning with --no-rerank, which leaves it no second stage; drop either")


def settings(**given: Any) -> Settings:
    """Return the settings of `shortlist.toml` here (if any), the environment, and what was given, the last winning.

    A variable that is nearly a setting's is noted on stderr.
    """
    print_notes(strays(os.environ).values())
    file = Path(FILE_NAME)
    loaded = Settings.load(file=file if file.is_file() else None, environ=os.environ)
    return replace(loaded, **{name: _fixed(value) for name, value in given.items() if value is not None})


def _fixed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
