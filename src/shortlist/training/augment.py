"""Queries as people also write them: keywords alone, without the question mark, with a typing mistake."""

from __future__ import annotations

import random

_FUNCTION_WORDS = frozenset([
    "a", "an", "and", "are", "as", "at", "be", "been", "being", "but", "by", "can", "could", "did", "do", "does",
    "for", "from", "had", "has", "have", "how", "i", "if", "in", "into", "is", "it", "its", "me", "my", "of", "on",
    "or", "our", "should", "so", "than", "that", "the", "their", "them", "then", "there", "these", "they", "this",
    "those", "to", "was", "we", "were", "what", "when", "where", "which", "who", "whom", "whose", "why", "will",
    "with", "would", "you", "your",
])  # fmt: skip


def vary(query: str, rng: random.Random, *, keywords: float = 0.12, typos: float = 0.04) -> str:
    """Return the query, or with these probabilities its content words alone, or one typing mistake in it."""
    words = query.rstrip(" ?.").split() if rng.random() < 0.5 else query.split()
    if rng.random() < keywords:
        content = [word for word in words if word.lower().strip("?,.") not in _FUNCTION_WORDS]
        words = content if len(content) >= 2 else words
    if rng.random() < typos:
        words = _mistyped(words, rng)
    return " ".join(words) or query


def _mistyped(words: list[str], rng: random.Random) -> list[str]:
    long = [place for place, word in enumerate(words) if len(word) > 5 and word.isalpha()]
    if not long:
        return words
    place = rng.choice(long)
    word, at = words[place], rng.randrange(1, len(words[place]) - 2)
    swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    dropped = word[:at] + word[at + 1 :]
    return [*words[:place], rng.choice((swapped, dropped)), *words[place + 1 :]]
