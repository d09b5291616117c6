"""Finds training texts that stand in an evaluation collection, whole or for the most part."""

from __future__ import annotations

import re
from collections.abc import Iterable

_WORD = re.compile(r"\w+")


class Seen:
    """What an evaluation shows: its queries as they are, its passages as runs of `run` words.

    A query leaks when it equals one of the evaluation's up to case and punctuation. A
    passage leaks when at least `share` of its runs of words stand in the evaluation's
    passages; passages shorter than a run are compared whole.
    """

    def __init__(self, queries: Iterable[str], passages: Iterable[str], *, run: int = 8, share: float = 0.3) -> None:
        self._run, self._share = run, share
        self._queries = {_folded(query) for query in queries}
        self._runs = {piece for passage in passages for piece in self._pieces(passage)}

    def query(self, text: str) -> bool:
        """Return whether this is one of the evaluation's queries."""
        return _folded(text) in self._queries

    def passage(self, text: str) -> bool:
        """Return whether this is for a good part a passage of the evaluation."""
        pieces = self._pieces(text)
        return bool(pieces) and sum(piece in self._runs for piece in pieces) >= self._share * len(pieces)

    def _pieces(self, text: str) -> list[int]:
        words = _WORD.findall(text.lower())
        if len(words) < self._run:
            return [hash(tuple(words))] if len(words) > 3 else []
        return [hash(tuple(words[i : i + self._run])) for i in range(len(words) - self._run + 1)]


def _folded(text: str) -> str:
    return " ".join(_WORD.findall(text.lower()))
