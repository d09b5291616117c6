"""The commands together, and what their exit codes mean."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence

import typer

import shortlist
from shortlist.cli import (
    advise,
    ask,
    calibrate,
    completion,
    doctor,
    evaluate,
    exits,
    explain,
    index,
    man,
    mcp,
    models,
    pack,
    plan,
    probe_injection,
    pull,
    push,
    rerank,
    search,
    serve,
    train,
    train_gate,
    unpack,
    verify,
)
from shortlist.cli.numbers import Command
from shortlist.cli.output import errors_console, print_text
from shortlist.errors import InputError, ShortlistError

HELP = """Retrieve wide, rerank precisely, keep the few.

A first stage (BM25 and a bi-encoder) fetches candidates, a cross-encoder reads each with the
query and reorders them. Everything runs on this machine, offline.

Start with:  shortlist search "your question" path/to/documents

Exit codes: 0 done, 1 something failed (the message says what to do), 2 the command line is wrong,
130 interrupted (what was committed is kept).
"""

_INTERRUPTED = 130
_OF_TWO_WORDS = (("index", "push"),)  # a folder of such a name is given as ./push

app = typer.Typer(
    help=HELP, no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
)
_COMMANDS: dict[str, Callable[..., None]] = {
    "index": index.index,
    "index push": push.push,
    "search": search.search,
    "ask": ask.ask,
    "mcp": mcp.mcp,
    "rerank": rerank.rerank,
    "explain": explain.explain,
    "calibrate": calibrate.calibrate,
    "plan": plan.plan,
    "advise": advise.advise,
    "exits": exits.exits,
    "serve": serve.serve,
    "train": train.train,
    "train-gate": train_gate.train_gate,
    "models": models.models,
    "verify": verify.verify,
    "pull": pull.pull,
    "pack": pack.pack,
    "unpack": unpack.unpack,
    "doctor": doctor.doctor,
    "probe-injection": probe_injection.probe_injection,
    "completion": completion.completion,
    "man": man.man,
}


def _summary(command: Callable[..., None]) -> str:
    """Return the first line of a command's help, whole: typer would cut it at 45 characters."""
    return (command.__doc__ or "").partition("\n")[0]


for _name, _run in _COMMANDS.items():
    app.command(_name, cls=Command, short_help=_summary(_run))(_run)
app.add_typer(evaluate.app, name="evaluate", short_help=_summary(evaluate.evaluate))


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(shortlist.__version__)
        raise typer.Exit


@app.callback()
def _root(version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print it.")) -> None:
    """Nothing to do before a command."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit; the console script's entry point."""
    if sys.stdout is None:  # closed by who started it
        _fail("there is no stdout to write to", 1)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a text that the terminal's encoding lacks must not end a search
            stream.reconfigure(errors="replace")
    completion.ready()
    try:
        app(args=_worded(sys.argv[1:] if arguments is None else arguments), prog_name="shortlist")
    except InputError as error:
        _fail(str(error), 2)
    except ShortlistError as error:
        _fail(str(error), 1)
    except OSError as error:
        _fail(f"cannot read or write {error.filename or 'the output'}: {error.strerror or error}", 1)
    except SystemExit as left:
        if left.code == _INTERRUPTED:  # typer makes this of Ctrl-C, without a word
            errors_console().print("interrupted; what was committed is kept, and the next run goes on from there")
        raise


def _worded(arguments: Sequence[str]) -> list[str]:
    """Join the two words of a command that has two."""
    if tuple(arguments[:2]) in _OF_TWO_WORDS:
        return [" ".join(arguments[:2]), *arguments[2:]]
    return list(arguments)


def _fail(reason: str, code: int) -> None:
    print_text(errors_console(), f"error: {reason}")
    sys.exit(code)
