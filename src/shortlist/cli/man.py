"""`shortlist man`: the manual page, made from what --help says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from inspect import cleandoc
from pathlib import Path
from typing import Any

import typer

from shortlist import __version__
from shortlist.settings import Settings

_SETTINGS = ", ".join(setting.name for setting in fields(Settings)) + ", and [serve] for the server"
_FILES = (
    ("shortlist.toml", "settings, read from the working folder; options and variables win over it: " + _SETTINGS),
    ("SHORTLIST_*", "variables of the same names as the settings, in capitals"),
    (".shortlist", "the index, in the folder that was indexed"),
)


def man(context: typer.Context) -> None:
    """Print the manual page, in the format that the program man reads.

    The install has it already: man shortlist

    Example:  shortlist man | man -l -
    """
    typer.echo(manual(context.find_root().command), nl=False)


def manual(root: Any) -> str:
    """Return a Typer command with all below it as a manual page in roff (man(7))."""
    return "\n".join(_page(root)) + "\n"


def _page(root: Any) -> Iterator[str]:
    yield f'.TH SHORTLIST 1 "" "shortlist {__version__}" "User Commands"'
    yield from (".SH NAME", r"shortlist \- retrieve wide, rerank precisely, keep the few")
    yield from (".SH SYNOPSIS", r".B shortlist", r".I command", "[options] [arguments]")
    yield ".SH DESCRIPTION"
    yield from _text(root.help)
    yield ".SH COMMANDS"
    for name, command in root.commands.items():
        yield from _command(f"shortlist {name}", command)
    yield ".SH FILES AND ENVIRONMENT"
    for name, meaning in _FILES:
        yield from (".TP", rf"\fB{_plain(name)}\fR", _plain(meaning))


def _command(name: str, command: Any) -> Iterator[str]:
    arguments = [option for option in command.params if option.param_type_name == "argument"]
    words = " ".join(option.name.upper() for option in arguments)
    yield f".SS {_plain(name)} {_plain(words)}".rstrip()
    yield from _text(command.help)
    for option in command.params:
        named = option.name.upper() if option in arguments else ", ".join([*option.opts, *option.secondary_opts])
        yield from (".TP", rf"\fB{_plain(named)}\fR")
        yield from _text(f"{option.help}{_default(option)}")
    for below, inner in getattr(command, "commands", {}).items():
        yield from _command(f"{name} {below}", inner)


def _default(option: Any) -> str:
    """Return the default as --help shows it; what an option's own text says of it is not said again."""
    default = option.default
    told = option.show_default and isinstance(default, int | float | str | Path) and not isinstance(default, bool)
    return f" [default: {default}]" if told and default != "" else ""


def _text(text: str | None) -> Iterator[str]:
    r"""Yield the paragraphs of a help text; below click's mark of a kept layout, \b, lines stay as they are."""
    for place, paragraph in enumerate(cleandoc(text or "").split("\n\n")):
        if place:
            yield ".PP"
        kept = paragraph.startswith("\b\n")
        yield from [".nf"] * kept
        for line in paragraph.removeprefix("\b\n").splitlines():
            yield _plain(line.strip())
        yield from [".fi"] * kept


def _plain(text: str) -> str:
    """Return text that roff prints as it is: no escapes, no requests, hyphens that can be copied."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq")
    return rf"\&{escaped}" if escaped.startswith(".") else escaped
