"""The blocks of source code of any language: definitions and the paragraphs in them.

Works on indentation and the look of a line instead of one grammar a language: a wrong
guess costs a heading, never text.
"""

from __future__ import annotations

import re

from shortlist.passages.blocks import Block, LineOutline
from shortlist.passages.definitions import defined_name

_COMMENT = re.compile(r"\s*(?:#|//|/\*|\*|--|@|;)")
# lines that belong to the definition above them although they are indented no deeper
_CLOSER = re.compile(r"\s*(?:[)\]}{]|end\b|(?:public|private|protected|default)\s*:)")


def code_blocks(text: str) -> tuple[Block, ...]:
    """Return the blocks of source code; headings are the names of the definitions around a block."""
    outline = LineOutline(text.split("\n"))
    for place, line in enumerate(outline.lines):
        if not line.strip():
            outline.take(place, is_verbatim=True)
            outline.blank(place)
            continue
        indent = len(line) - len(line.lstrip())
        following = outline.lines[place + 1] if place + 1 < len(outline.lines) else ""
        if name := defined_name(line, following):
            outline.take(_comment_start(outline, place, indent), is_verbatim=True)
            outline.outline.heading(indent, name)
        elif outline.outline.is_open(indent) and not _CLOSER.match(line) and not _COMMENT.match(line):
            outline.take(_comment_start(outline, place, indent), is_verbatim=True)
            outline.outline.leave(indent)
    outline.take(len(outline.lines), is_verbatim=True)
    return outline.finish()


def _comment_start(outline: LineOutline, place: int, indent: int) -> int:
    """Return where the comments and decorators right above `place` begin; they belong to what follows."""
    while place > outline.start:
        above = outline.lines[place - 1]
        if not _COMMENT.match(above) or len(above) - len(above.lstrip()) < indent:
            break
        place -= 1
    return place
