"""Which label an answer chose: read from its text, or from the log probabilities of its first tokens."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Literal

import numpy as np

from shortlist.errors import InputError
from shortlist.scorers.llm.parsing import MISSING, UNREADABLE, Parsed, completed, parse_label
from shortlist.types import Completion
from shortlist.types.ranking import descending

Choice = Literal["text", "logprobs"]
CHOICES = ("text", "logprobs")
LABELS = ascii_uppercase
TOP_LOGPROBS = 20  # the most that OpenAI gives


def check_choice(choice: str) -> None:
    """Raise InputError unless it is "text" or "logprobs"."""
    if choice not in CHOICES:
        raise InputError(f"an answer is read from its {' or its '.join(CHOICES)}; got {choice!r}")


def label_logprobs(completion: Completion, labels: Sequence[str]) -> dict[int, float]:
    """Return the log probability of each label, by its place, among the `label_candidates`.

    `labels` are single letters or digits, or words with a capital. Of several spellings the
    probabilities are added. Empty when no label is a candidate.
    """
    return _of_labels(label_candidates(completion, labels), labels)


def label_candidates(completion: Completion, labels: Sequence[str]) -> Mapping[str, float]:
    """Return the candidates, with their log probabilities, for the first token where any label is likely.

    That is the first position whose likeliest candidate is a label, else the one where
    labels have most of the probability: models write "A", " A", "[A" or "Passage A".
    """
    positions = [token.candidates for token in completion.logprobs]
    for candidates in positions:
        if _of_labels({max(candidates, key=candidates.__getitem__): 0.0}, labels):
            return candidates
    return max(positions, key=lambda found: sum(map(math.exp, _of_labels(found, labels).values())), default={})


def order_by_logprobs(completion: Completion, count: int) -> Parsed:
    """Order passages A, B, ... by the log probabilities of a single token (FIRST: Gangi Reddy et al. 2024)."""
    repairs: Counter[str] = Counter()
    found = label_logprobs(completion, LABELS[:count])
    places = list(found)
    ordered = [places[i] + 1 for i in descending([found[place] for place in places])]
    return completed(ordered, count, repairs)


def chosen(completion: Completion, labels: Sequence[str], choice: Choice, repairs: Counter[str]) -> int | None:
    """Return the place of the chosen label; None, counted as unreadable, when there is none."""
    if choice == "text":
        return parse_label(completion.text, labels, repairs)
    found = label_logprobs(completion, labels)
    if not found:
        repairs[UNREADABLE] += 1
        return None
    repairs[MISSING] += len(labels) - len(found)
    places = sorted(found)
    return places[descending([found[place] for place in places])[0]]


def _of_labels(candidates: Mapping[str, float], labels: Sequence[str]) -> dict[int, float]:
    labels = tuple(labels)  # in a string "AB" would be a label of its own
    found: dict[int, float] = {}
    for token, logprob in candidates.items():
        label = _spelled(token)
        if label in labels:
            place = labels.index(label)
            found[place] = float(np.logaddexp(found.get(place, -math.inf), logprob))
    return found


def _spelled(token: str) -> str:
    """Return a token as labels are written: a letter as it is ("a" is an article), a word with a capital."""
    word = token.strip(" \n[\"'(*")
    return word if len(word) < 2 else word.capitalize()
