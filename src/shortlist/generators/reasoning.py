"""What a model thought before its answer, where the server leaves it in the answer's text."""

from __future__ import annotations

import re

_THOUGHT = re.compile(r"^.*</\s*(?:think|thinking|reasoning|thought)\s*>", re.DOTALL | re.IGNORECASE)
_UNFINISHED = re.compile(r"<\s*(?:think|thinking|reasoning|thought)\s*>.*$", re.DOTALL | re.IGNORECASE)


def without_reasoning(text: str) -> str:
    """Return what follows the last reasoning block; of one that never ends, nothing."""
    return _UNFINISHED.sub("", _THOUGHT.sub("", text))
