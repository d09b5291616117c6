"""What a server says about itself beside the scores: its model, an id, what it counted.

Read leniently, as nobody's order depends on it: what is absent or of another type counts as not said, so that a
gateway's odd `usage` does not cost an answer that may have been paid for.
"""

from __future__ import annotations

from typing import Any

from shortlist.wire.reading import At
from shortlist.wire.values import Usage


def text_said(body: At, name: str) -> str:
    """Return a string of an answer's body, or an empty one."""
    found = _at(body.value, name)
    return found if isinstance(found, str) else ""


def count_said(body: At, *path: str) -> int | None:
    """Return a whole number from 0 at a path of members, also where it is written as 1.0."""
    found = _at(body.value, *path)
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None


def tokens_said(body: At) -> Usage:
    """Return `usage.total_tokens`, as most formats have it."""
    return Usage(count_said(body, "usage", "total_tokens"))


def write_tokens(usage: Usage) -> dict[str, Any]:
    """Return `usage` as a member of an answer, where there is anything to say."""
    tokens = usage.total_tokens
    return {} if tokens is None else {"usage": {"prompt_tokens": tokens, "total_tokens": tokens}}


def _at(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
