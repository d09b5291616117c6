"""The numbers on a command line, of which none is beyond what can be counted with."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

from shortlist.errors import InputError

MOST = 10**12  # milliseconds of it are 31 years; what is done for a number adds up from there to none, or never ends


class Command(TyperCommand):
    """A command that refuses numbers that are infinite, no number, or too large."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; raises InputError, naming the option."""
        _check(ctx)
        return super().invoke(ctx)


class Group(TyperGroup):
    """The same for a command that has others below it."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; raises InputError, naming the option."""
        _check(ctx)
        return super().invoke(ctx)


def _check(context: Any) -> None:
    for parameter in context.command.params:
        given = context.params.get(parameter.name)
        for value in given if isinstance(given, list | tuple) else [given]:
            if isinstance(value, int | float) and not abs(value) <= MOST:
                raise InputError(f"{parameter.opts[0]} must be a number up to {MOST:.0e}; got {value!r:.40}")
