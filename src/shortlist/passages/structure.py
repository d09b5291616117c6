"""Cutting a text into passages along its structure: headings, paragraphs, definitions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial

from shortlist.passages.blocks import Block, plain_blocks
from shortlist.passages.code import code_blocks
from shortlist.passages.config import config_blocks
from shortlist.passages.html import html_blocks
from shortlist.passages.markdown import markdown_blocks
from shortlist.passages.rst import rst_blocks
from shortlist.passages.size import PassageSize
from shortlist.passages.split import Piece, is_small, split

HEADING_SEPARATOR = " > "


class Kind(str, Enum):
    """How a text marks its structure."""

    PLAIN = "plain"
    MARKDOWN = "markdown"
    RST = "rst"
    HTML = "html"
    XHTML = "xhtml"
    CODE = "code"
    CONFIG = "config"


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a text with its lines (from 1, inclusive) and the path of headings it stands under."""

    text: str
    first_line: int
    last_line: int
    headings: tuple[str, ...] = ()

    @property
    def heading(self) -> str:
        """The headings as one line: `Guide > Install`."""
        return HEADING_SEPARATOR.join(self.headings)


_BLOCKS: Mapping[Kind, Callable[[str], Iterable[Block]]] = {
    Kind.PLAIN: plain_blocks,
    Kind.MARKDOWN: markdown_blocks,
    Kind.RST: rst_blocks,
    Kind.HTML: html_blocks,
    Kind.XHTML: partial(html_blocks, is_xml=True),
    Kind.CODE: code_blocks,
    Kind.CONFIG: config_blocks,
}
DEFAULT_SIZE = PassageSize()


def cut(text: str, *, kind: Kind = Kind.PLAIN, size: PassageSize = DEFAULT_SIZE) -> list[Passage]:
    r"""Cut a text into passages, in order.

    Lines end at `\n` only. Everything but white space and headings is in exactly one
    passage (of HTML: everything that is read, so no scripts, styles and navigation); a
    heading with nothing under it counts as text of its own section or of the one above.
    Paragraphs that are too long are cut at sentence ends, small neighbours under one heading
    are merged.
    """
    return list(_merged(_BLOCKS[kind](text), size))


def _merged(blocks: Iterable[Block], size: PassageSize) -> Iterator[Passage]:
    section, headings = -1, ()  # type: int, tuple[str, ...]
    waiting: list[Piece] = []
    for block in blocks:
        for piece in split(block, size):
            if waiting and (block.section != section or not _fits(waiting, piece, size)):
                yield _passage(waiting, headings)
                waiting = []
            waiting.append(piece)
            section, headings = block.section, block.headings
    if waiting:
        yield _passage(waiting, headings)


def _fits(waiting: list[Piece], piece: Piece, size: PassageSize) -> bool:
    before = sum(earlier.size for earlier in waiting)
    is_scrap = is_small(before, size) or is_small(piece.size, size)
    return before + piece.size <= (size.maximum if is_scrap else size.target)


def _passage(pieces: list[Piece], headings: tuple[str, ...]) -> Passage:
    text = "\n\n".join(piece.text for piece in pieces)
    return Passage(text, pieces[0].first_line, pieces[-1].last_line, headings)
