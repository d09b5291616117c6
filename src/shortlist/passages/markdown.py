"""The blocks of Markdown: paragraphs, lists and code fences under ATX and setext headings.

Follows https://spec.commonmark.org/0.31.2/ where it decides what is a heading.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from shortlist.passages.blocks import MAX_TITLE, Block, LineOutline

_ATX = re.compile(r" {0,3}(#{1,6})[ \t]+(\S.*)")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*\Z")
# fences inside lists and quotes are indented or marked; `info` of a backtick fence has no backtick
_FENCE = re.compile(r"[ \t>]*(?:(`{3,})[^`]*\Z|(~{3,}))")
_NO_TITLE = re.compile(r" {4}|\t|\s*(?:[-*+>|]|\d+[.)])(?:\s|\Z)|\s*\|")
_LINK = re.compile(r"!?\[([^\[\]]*)\](?:\([^()]*\)|\[[^\[\]]*\])")
_FRONT_MATTER_TITLE = re.compile(r"title:\s*(\S.*)", re.IGNORECASE)


def markdown_blocks(text: str) -> tuple[Block, ...]:
    """Return the blocks of a Markdown text; a `title` in its front matter is the outermost heading."""
    outline = LineOutline(text.split("\n"))
    place = _front_matter(outline)
    while place < len(outline.lines):
        place = _block(outline, place)
    return outline.finish()


def _block(outline: LineOutline, place: int) -> int:
    """Read one line, or one code fence, and return the place of the next."""
    line = outline.lines[place]
    if fence := _FENCE.match(line):
        outline.take(place)
        place = _fence_end(outline.lines, place, fence[1] or fence[2])
        outline.take(place, is_verbatim=True)
        return place
    if (atx := _ATX.match(line)) and len(line) <= MAX_TITLE and (title := plain_title(_unclosed(atx[2]))):
        outline.heading(len(atx[1]), title, place, place + 1)
    elif _is_underline(outline, place) and (title := plain_title(outline.lines[place - 1])):
        outline.heading(1 if "=" in line else 2, title, place - 1, place + 1)
    elif not line.strip():
        outline.blank(place)
    return place + 1


def plain_title(markup: str) -> str:
    """Return a heading's words: links become their text, emphasis and code marks and anchors go."""
    title = _LINK.sub(r"\1", markup)
    title = re.sub(r"\{[#.:][^{}]*\}\s*\Z", "", title)
    return re.sub(r"[`*]+|<[^<>]*>", "", title).strip()


def _unclosed(title: str) -> str:
    """Leave out the closing hashes of an ATX heading: `## Install ##`."""
    stripped = title.rstrip()
    bare = stripped.rstrip("#")
    return bare if bare != stripped and bare[-1:].isspace() else stripped


def _is_underline(outline: LineOutline, place: int) -> bool:
    """Tell whether this underlines the one line before it, which begins a paragraph."""
    if place - 1 != outline.start or not _SETEXT.match(outline.lines[place]):
        return False
    title = outline.lines[place - 1]
    return bool(title.strip()) and len(title) <= MAX_TITLE and not _NO_TITLE.match(title)


def _fence_end(lines: Sequence[str], place: int, mark: str) -> int:
    """Return the place after the closing fence, or the end of the text as CommonMark has it."""
    for end in range(place + 1, len(lines)):
        inside = lines[end].strip(" \t>\r")
        if len(inside) >= len(mark) and not inside.strip(mark[0]):
            return end + 1
    return len(lines)


def _front_matter(outline: LineOutline) -> int:
    """Take YAML or TOML front matter for a block and return the place after it."""
    lines = outline.lines
    mark = lines[0].rstrip()
    if mark not in {"---", "+++"}:
        return 0
    end = next((place for place in range(1, len(lines)) if lines[place].rstrip() == mark), None)
    if end is None or not all(_is_setting(line) for line in lines[1:end]):
        return 0
    titles = (_FRONT_MATTER_TITLE.match(line.replace("=", ":", 1)) for line in lines[1:end] if len(line) <= MAX_TITLE)
    title = next((match[1].strip(" \"'") for match in titles if match), "")
    if title:
        outline.outline.heading(0, title)
    outline.take(end + 1, is_verbatim=True)
    return end + 1


def _is_setting(line: str) -> bool:
    return not line.strip() or line[0] in " \t-#]}" or ":" in line or "=" in line
