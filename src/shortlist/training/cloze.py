"""Inverse cloze pairs (Lee et al. 2019): a sentence asks for the passage it was taken from."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence

from shortlist.training.groups import Pair

_SENTENCE = re.compile(r"(?<=[.!?]) +(?=[A-Z(])")


def cloze_pairs(passages: Sequence[str], source: str, *, count: int, seed: int) -> Iterator[Pair]:
    """Yield up to `count` pairs; in nine of ten the sentence is taken out of the passage."""
    rng = random.Random(seed)
    made = 0
    for passage in passages:
        sentences = _SENTENCE.split(passage)
        asking = [s for s in sentences[1:] if 6 <= len(s.split()) <= 30]
        if made >= count:
            return
        if len(sentences) < 4 or not asking:
            continue
        sentence = rng.choice(asking)
        rest = passage if rng.random() < 0.1 else " ".join(s for s in sentences if s != sentence)
        made += 1
        yield Pair(sentence.rstrip("."), rest, source)
