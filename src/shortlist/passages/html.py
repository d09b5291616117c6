"""The blocks of HTML: what is read of a page, under its headings."""

from __future__ import annotations

import re
from html import unescape

from shortlist.passages.blocks import MAX_TITLE, Block, Outline
from shortlist.passages.html_tokens import Text, html_tokens

# fmt: off
_DROPPED = frozenset({
    "script", "style", "template", "noscript", "nav", "svg", "select", "iframe", "object", "noembed", "noframes",
    "title",
})
# fmt: on
_H1 = re.compile(r"<h1[\s>]", re.IGNORECASE)
_TITLE = re.compile(rf"<title(?:\s[^<>]{{0,200}})?>([^<]{{1,{MAX_TITLE}}})</title", re.IGNORECASE)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
# fmt: off
_BLOCKS = frozenset({
    "p", "div", "section", "article", "main", "header", "footer", "aside", "table", "ul", "ol", "dl", "blockquote",
    "pre", "figure", "form", "fieldset", "details", "body", "hr", "address", "html", "head",
})
# fmt: on
_LINES = frozenset(["li", "tr", "dt", "dd", "br", "figcaption", "summary", "caption", "option"])
_CELLS = frozenset(["td", "th"])


def html_blocks(html: str, *, is_xml: bool = False) -> tuple[Block, ...]:
    """Return the blocks of a page; the page's title is the outermost heading when there is no h1.

    A page that begins with `<?xml` is XML, too.
    """
    page = _Page(_title(html))
    line, place = 1, 0
    for token in html_tokens(html, is_xml=is_xml or html.lstrip().startswith("<?xml")):
        if isinstance(token, Text):
            line += html.count("\n", place, token.start)
            place = token.start
            page.text(token.text, line)
        elif token.is_end:
            page.end(token.name)
        else:
            page.begin(token.name)
            if token.is_empty:
                page.end(token.name)
    return page.finish()


def _title(html: str) -> str:
    """Return the page's title unless an h1 says it."""
    match = None if _H1.search(html) else _TITLE.search(html)
    return " ".join(unescape(match[1]).split()) if match else ""


class _Page:
    """Gathers the text of the block that is being read, line by line."""

    def __init__(self, title: str) -> None:
        self._outline = Outline()
        if title:
            self._outline.heading(0, title)
        self._parts: list[str] = []  # one a line of the block
        self._lines: list[int] = []
        self._dropped = ""  # the element whose content is not read
        self._depth = 0
        self._level = 0  # of the heading that is being read
        self._is_verbatim = False
        self._begins_line = True

    def begin(self, name: str) -> None:
        """Read a start tag."""
        if self._dropped:
            self._depth += name == self._dropped
        elif name in _DROPPED:
            self._dropped, self._depth = name, 1
        else:
            self._boundary(name)
            self._level = _HEADINGS.get(name, self._level)
            self._is_verbatim = self._is_verbatim or name == "pre"

    def end(self, name: str) -> None:
        """Read an end tag."""
        if self._dropped:
            self._depth -= name == self._dropped
            self._dropped = self._dropped if self._depth else ""
        else:
            self._boundary(name)

    def text(self, text: str, line: int) -> None:
        """Read text that begins on this line of the file."""
        if self._dropped:
            return
        for number, raw in enumerate(text.split("\n"), line):
            if number > line:
                self._begins_line = True
            self._put(" ".join(unescape(raw).split("\n")), number)

    def finish(self) -> tuple[Block, ...]:
        """Return all blocks."""
        self._flush()
        return self._outline.finish()

    def _boundary(self, name: str) -> None:
        if name in _BLOCKS or name in _HEADINGS:
            self._flush()
        elif name in _LINES:
            self._begins_line = True
        elif name in _CELLS and self._parts and not self._begins_line:
            self._parts[-1] += " "

    def _put(self, text: str, line: int) -> None:
        if self._begins_line:
            self._parts.append("")
            self._lines.append(line)
            self._begins_line = False
        self._parts[-1] += text

    def _flush(self) -> None:
        """End the block or heading that is being read."""
        kept = [
            (part.rstrip() if self._is_verbatim else " ".join(part.split()), line)
            for part, line in zip(self._parts, self._lines, strict=True)
        ]
        kept = kept if self._is_verbatim else [(part, line) for part, line in kept if part]
        text, lines = "\n".join(part for part, _ in kept), [line for _, line in kept]
        title = " ".join(text.split())
        if self._level and 0 < len(title) <= MAX_TITLE:
            self._outline.heading(self._level, title, title, (lines[0],))
        else:
            self._outline.add(text, lines, is_verbatim=self._is_verbatim)
        self._parts, self._lines, self._level, self._is_verbatim, self._begins_line = [], [], 0, False, True
