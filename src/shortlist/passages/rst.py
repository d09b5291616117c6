"""The blocks of reStructuredText: paragraphs under titles with an underline.

Follows https://docutils.sourceforge.io/docs/ref/rst/restructuredtext.html#sections: the
level of a title is given by the order in which its style (mark, with or without a line
above) first appears.
"""

from __future__ import annotations

import re

from shortlist.passages.blocks import MAX_TITLE, Block, LineOutline

_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1*\s*\Z")
_ROLE = re.compile(r":[\w.:+-]+:`([^`<]*?)(?:\s*<[^`>]*>)?`|`+([^`]*)`+_*")


def rst_blocks(text: str) -> tuple[Block, ...]:
    """Return the blocks of a reStructuredText."""
    outline = LineOutline(text.split("\n"))
    styles: list[tuple[str, bool]] = []
    place = 0
    while place < len(outline.lines):
        length = _title_length(outline, place)
        if length:
            style = (outline.lines[place + length - 1][0], length == 3)
            if style not in styles:
                styles.append(style)
            title = _plain_title(outline.lines[place + length - 2])
            outline.heading(styles.index(style) + 1, title, place, place + length)
        elif not outline.lines[place].strip():
            outline.blank(place)
        place += length or 1
    return outline.finish()


def _title_length(outline: LineOutline, place: int) -> int:
    """Return how many lines a title takes here: 3 with a line above it, 2 without, 0 for no title."""
    if outline.start != place:
        return 0
    lines = outline.lines[place : place + 3]
    if len(lines) == 3 and _is_adorned(lines[1], lines[2]) and lines[0].rstrip() == lines[2].rstrip():
        return 3
    return 2 if len(lines) >= 2 and not lines[0][:1].isspace() and _is_adorned(lines[0], lines[1]) else 0


def _is_adorned(title: str, line: str) -> bool:
    """Tell whether `line` underlines `title`."""
    words = title.strip()
    if not words or len(words) > MAX_TITLE or _ADORNMENT.match(words) or not _ADORNMENT.match(line):
        return False
    # docutils takes an underline from 4 marks on for any title and warns that it is short
    return len(line.rstrip()) >= min(len(words), 4) and bool(_plain_title(title))


def _plain_title(title: str) -> str:
    return _ROLE.sub(lambda match: match[1] or match[2] or "", title).replace("\\", "").strip()
