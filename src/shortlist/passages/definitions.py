"""Recognising the line that defines something, in any common programming language."""

from __future__ import annotations

import re

_MAX_LINE = 300  # characters; definitions are shorter, and minified code is not worth the search
_KEYWORD = re.compile(
    r"\s*(?:(?:export|default|public|private|protected|internal|static|final|abstract|async|pub|unsafe|sealed|open"
    r"|override|data|virtual|partial|declare|local)(?:\([\w ]+\))?\s+)*"
    r"(?:def|class|func|function|fun|fn|struct|enum|trait|impl|interface|module|namespace|mod|type|record|union"
    r"|object|protocol|extension|message|service|sub)\b\*?\s*(?:<[^<>]*>\s*|\([^()]*\)\s*|\s)"
    r"([\w.:$]*[\w$?!])\s*(?:\Z|[(\[{<:=;]|(?:extends|implements|for|struct|interface|where|is)\b)"
)
_SQL = re.compile(
    r"\s*create\s+(?:or\s+replace\s+)?(?:temp(?:orary)?\s+|unique\s+)?"
    r"(?:table|view|function|procedure|trigger|index|type)\s+(?:if\s+not\s+exists\s+)?[\"`\[]?([\w.]+)",
    re.IGNORECASE,
)
_ARROW = re.compile(r"\s*(?:export\s+)?(?:const|let|var)\s+(\w+)\s*=\s*(?:async\s*)?(?:function\b|\(|\w+\s*=>)")
_NAME = re.compile(r"[\w:~$]+\Z")
# fmt: off
_NO_CALLABLE = frozenset({
    "if", "for", "foreach", "while", "switch", "catch", "else", "return", "do", "try", "new", "elif", "match", "with",
    "when", "unless", "until", "case", "using", "lock",
})
# fmt: on


def defined_name(line: str, following: str = "") -> str:
    """Return the name that `line` defines (of a function, a class, a table), or nothing.

    `following` is the line after it, where C-like languages may put their brace.
    """
    if len(line) > _MAX_LINE:
        return ""
    for pattern in (_KEYWORD, _SQL):
        if match := pattern.match(line):
            return match[1]
    arrow = _ARROW.match(line)
    if arrow and (line.rstrip().endswith(("{", "(")) or "=>" in line):
        return arrow[1]
    return _callable_name(line, following)


def _callable_name(line: str, following: str) -> str:
    """Return the name in `int main(int argc) {` or `parse(text) {`, where no keyword says that it is a definition."""
    before, bracket, after = line.partition("(")
    opens = after.rstrip().endswith("{") or (after.rstrip().endswith(")") and following.strip() == "{")
    if not bracket or not opens or not before.strip() or any(mark in line for mark in "'\"=;"):
        return ""
    words = before.split()
    name = _NAME.search(words[-1])
    return name[0] if name and not _NO_CALLABLE.intersection(words) else ""
