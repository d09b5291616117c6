"""The blocks of a text (paragraphs, code fences, definitions) under their headings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MAX_TITLE = 300  # characters; a longer "heading" is text that looks like one


@dataclass(frozen=True, slots=True)
class Block:
    """An unbroken stretch of text; `lines` holds the original line number of each of its lines.

    Blocks with the same `section` have no heading between them. A verbatim block is cut at
    line ends rather than at sentence ends.
    """

    text: str
    lines: Sequence[int]
    headings: tuple[str, ...] = ()
    section: int = 0
    is_verbatim: bool = False


class Outline:
    """Collects blocks and keeps track of the headings they stand under."""

    def __init__(self) -> None:
        self._blocks: list[Block] = []
        self._open: list[tuple[int, str]] = []  # level and title, outermost first
        self._section = 0
        self._bare: Block | None = None  # a heading under which nothing has come yet

    def heading(self, level: int, title: str, text: str = "", lines: Sequence[int] = ()) -> None:
        """Open a heading; `text` and `lines` become a block if nothing follows under it."""
        self.leave(level)
        if text:
            self._bare = Block(text, lines, self._path(), self._section)
        self._open.append((level, title))
        self._section += 1

    def leave(self, level: int) -> None:
        """Close the open headings of this level and below it."""
        if not self.is_open(level):
            return
        self._keep_bare()
        while self._open and self._open[-1][0] >= level:
            self._open.pop()
        self._section += 1

    def is_open(self, level: int) -> bool:
        """Tell whether a heading of this level or below it is open."""
        return bool(self._open) and self._open[-1][0] >= level

    def add(self, text: str, lines: Sequence[int], *, is_verbatim: bool = False) -> None:
        """Add a block under the headings that are open; blank text is left out."""
        if text.strip():
            self._bare = None
            self._blocks.append(Block(text, lines, self._path(), self._section, is_verbatim))

    def finish(self) -> tuple[Block, ...]:
        """Return all blocks, in order."""
        self._keep_bare()
        return tuple(self._blocks)

    def _path(self) -> tuple[str, ...]:
        return tuple(title for _, title in self._open)

    def _keep_bare(self) -> None:
        if self._bare is not None:
            self._blocks.append(self._bare)
            self._bare = None


class LineOutline:
    """An outline of a text that is read line by line; counts lines from 0 inside, from 1 in its blocks."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = lines
        self.start = 0  # first line that is in no block yet
        self.outline = Outline()

    def take(self, end: int, *, is_verbatim: bool = False) -> None:
        """Make the lines up to (not with) `end` a block."""
        if end > self.start:
            text = "\n".join(self.lines[self.start : end])
            self.outline.add(text, range(self.start + 1, end + 1), is_verbatim=is_verbatim or _is_indented(text))
        self.start = end

    def blank(self, place: int) -> None:
        """End a block at this blank line."""
        self.take(place)
        self.start = place + 1

    def heading(self, level: int, title: str, first: int, end: int) -> None:
        """Make the lines from `first` up to `end` a heading and everything before them a block."""
        self.take(first)
        self.outline.heading(level, title, "\n".join(self.lines[first:end]).strip(), range(first + 1, end + 1))
        self.start = end

    def finish(self) -> tuple[Block, ...]:
        """Take what is left and return all blocks."""
        self.take(len(self.lines))
        return self.outline.finish()


def plain_blocks(text: str) -> tuple[Block, ...]:
    """Cut plain text at its blank lines."""
    outline = LineOutline(text.split("\n"))
    for place, line in enumerate(outline.lines):
        if not line.strip():
            outline.blank(place)
    return outline.finish()


def _is_indented(text: str) -> bool:
    return text.startswith(("  ", "\t"))
