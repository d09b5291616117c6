"""Exact match and token F1 of a short answer, as SQuAD's own script computes them."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

from shortlist.passages.size import DENSE

# English as in SQuAD's evaluate-v1.1.py; German as in MLQA's
_ARTICLES = frozenset(
    ["a", "an", "the", "ein", "eine", "einen", "einem", "eines", "einer", "der", "die", "das", "den", "dem", "des"]
)
_LETTER = re.compile(f"[{DENSE}]")


def normalised(text: str) -> tuple[str, ...]:
    """Return the words in lower case, without punctuation and without English and German articles.

    Rajpurkar et al., EMNLP 2016 (English articles, ASCII punctuation); Lewis et al., ACL 2020
    (MLQA: German articles, all of Unicode's punctuation, and each letter of Chinese a word; so is each of
    every script that is written without spaces).
    """
    kept = "".join(letter for letter in text.lower() if not _is_punctuation(letter))
    return tuple(word for word in _LETTER.sub(r" \g<0> ", kept).split() if word not in _ARTICLES)


def exact_match(answer: str, gold: Sequence[str]) -> float:
    """Return 1 if the answer is one of the gold answers after normalisation, else 0."""
    return _best(answer, gold, lambda ours, theirs: float(ours == theirs))


def token_f1(answer: str, gold: Sequence[str]) -> float:
    """Return the harmonic mean of the precision and recall of the answer's words, of the nearest gold answer."""
    return _best(answer, gold, _f1)


def contains(text: str, gold: Sequence[str]) -> float:
    """Return 1 if the words of a gold answer stand in the text in one piece, else 0."""
    words = f" {' '.join(normalised(text))} "
    return float(any(found and f" {' '.join(found)} " in words for found in map(normalised, gold)))


def _best(answer: str, gold: Sequence[str], measure: Callable[[tuple[str, ...], tuple[str, ...]], float]) -> float:
    ours = normalised(answer)
    return max((measure(ours, normalised(one)) for one in gold), default=0.0)


def _f1(ours: tuple[str, ...], theirs: tuple[str, ...]) -> float:
    common = sum((Counter(ours) & Counter(theirs)).values())
    if not ours or not theirs:
        return float(ours == theirs)
    return 2 * common / (len(ours) + len(theirs))


def _is_punctuation(letter: str) -> bool:
    return letter in string.punctuation or unicodedata.category(letter).startswith("P")
