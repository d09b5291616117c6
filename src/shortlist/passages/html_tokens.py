"""Tags and text of HTML, found in linear time.

Not `html.parser`: before the fixes of 2025 it is quadratic on unclosed tags (Python 3.11.7
takes 56 s for 60 kB of `<a `), and a single hostile page would stop an indexing run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TAG = re.compile(r"</?([a-zA-Z][^\s/>]{0,50})|<!--|<[!?]")
_STOP = re.compile(r">|=\s*([\"'])")
_FOREIGN = frozenset({"svg", "math"})
_RAW = frozenset({"script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes"})


@dataclass(frozen=True, slots=True)
class Text:
    """Text between tags, with the offset where it begins; character references are not replaced yet."""

    text: str
    start: int


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag's lower-case name; comments and declarations are not tags. `is_empty` is a start tag without content."""

    name: str
    is_end: bool
    is_empty: bool = False


def html_tokens(html: str, *, is_xml: bool = False) -> Iterator[Text | Tag]:
    """Yield the tags and the text of a page, in order.

    `<name/>` is empty in XML, and in HTML inside and for svg and math; elsewhere it is an open `<name>`.
    """
    scanner, place, raw, foreign = _Scanner(html), 0, "", 0
    while place < len(html):
        match = _raw_end(html, place, raw) if raw else _TAG.search(html, place)
        start = match.start() if match else len(html)
        if start > place:
            yield Text(html[place:start], place)
        if match is None:
            return
        place = scanner.end_of(match)
        if name := (match[1] or "").lower():
            is_end = html[start + 1] == "/"
            is_empty = html.endswith("/>", start, place) and (is_xml or foreign > 0 or name in _FOREIGN)
            if name in _FOREIGN and not is_empty:
                foreign = max(0, foreign - 1) if is_end else foreign + 1
            raw = name if name in _RAW and not (is_end or is_empty) else ""
            yield Tag(name, is_end, is_empty)


def _raw_end(html: str, place: int, name: str) -> re.Match[str] | None:
    """Find the end tag of an element whose content is not markup."""
    return re.compile(rf"</({name})(?=[\s/>])", re.IGNORECASE).search(html, place)


class _Scanner:
    """Finds where tags end; remembers what is missing so that nothing is searched for twice in vain."""

    def __init__(self, html: str) -> None:
        self._html = html
        self._has_quotes = self._has_comments = self._has_ends = True

    def end_of(self, match: re.Match[str]) -> int:
        """Return the place after the tag, comment or declaration that begins with `match`."""
        if match[0] == "<!--":
            end = self._html.find("-->", match.end()) if self._has_comments else -1
            self._has_comments = end >= 0
            return end + 3 if end >= 0 else match.end()
        end = self._quoted_end(match.end()) if self._has_quotes else -1
        self._has_quotes = end >= 0
        return end if end >= 0 else self._plain_end(match.end())

    def _quoted_end(self, place: int) -> int:
        while match := _STOP.search(self._html, place):
            if match[1] is None:
                return match.end()
            place = self._html.find(match[1], match.end()) + 1
            if not place:
                break
        return -1

    def _plain_end(self, place: int) -> int:
        end = self._html.find(">", place) if self._has_ends else -1
        self._has_ends = end >= 0
        return end + 1 if end >= 0 else place
