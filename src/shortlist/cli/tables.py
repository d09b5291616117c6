"""Tables of figures: a row's name gets a line of its own where a terminal is too narrow for it beside the figures."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import zip_longest

from rich.cells import cell_len

from shortlist.cli.output import console, shown

_GAP = "  "

Cell = list[str]  # lines


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print names to the left and figures to the right; what stands in square brackets goes into a line of its own."""
    screen = console()
    for line in laid_out(header, [[shown(text) for text in row] for row in rows], width=screen.width):
        screen.print(line, soft_wrap=True)
    screen.print()


def laid_out(header: Sequence[str], rows: Sequence[Sequence[str]], *, width: int) -> list[str]:
    """Return a table's lines. Nothing is cut or broken: they are longer than `width` where the figures alone are.

    Headers are broken between words before a name moves to a line of its own, which only those do that must.
    """
    cells = [[text.replace(" [", "\n[").split("\n") for text in row] for row in rows]
    bodies = [_widest(column) for column in zip(*cells, strict=True)] or [0] * len(header)
    titles = [[title] for title in header]
    columns = _columns(titles, bodies)
    if _total(columns) > width:
        titles = [
            textwrap.wrap(title, max(1, body, _longest_word(title))) for title, body in zip(header, bodies, strict=True)
        ]
        columns = _columns(titles, bodies)
        columns[0] = max(len(_GAP), columns[0] - max(0, _total(columns) - width))
    lines = []
    for name, *figures in (titles, *cells):
        is_long = _widest([name]) > columns[0]
        lines += [*(name if is_long else []), *_row([[] if is_long else name, *figures], columns)]
    return lines


def _columns(titles: Sequence[Cell], bodies: Sequence[int]) -> list[int]:
    return [max(body, _widest([title])) for body, title in zip(bodies, titles, strict=True)]


def _total(columns: Sequence[int]) -> int:
    return sum(columns) + len(_GAP) * (len(columns) - 1)


def _row(cells: Sequence[Cell], columns: Sequence[int]) -> list[str]:
    """Return the lines of one row, the first column to the left and the others to the right."""
    lines = []
    for texts in zip_longest(*cells, fillvalue=""):
        padded = [" " * (column - cell_len(text)) for text, column in zip(texts, columns, strict=True)]
        first, *others = zip(texts, padded, strict=True)
        lines.append(_GAP.join([first[0] + first[1], *(space + text for text, space in others)]).rstrip())
    return lines


def _widest(cells: Sequence[Cell]) -> int:
    return max((cell_len(line) for cell in cells for line in cell), default=0)


def _longest_word(text: str) -> int:
    return max(map(len, text.split()), default=0)
