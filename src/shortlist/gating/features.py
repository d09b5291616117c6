"""What can be told about a query's candidates before any model has read them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields

from shortlist.types import Ranking

_CAMEL = re.compile(r"[a-z0-9][A-Z]")
_INSIDE = re.compile(r"\w(?:[_./:\\#@-]|::|->)\w|\w\(\)|\d")


@dataclass(frozen=True, slots=True)
class Features:
    """Numbers about a query and its candidates, all within 0..1 but the first two.

    `words` of the query and number of `candidates`. `identifier`: the share of the query's words
    that look like names in code, codes or paths. `lead`: how far the first score is above
    the second, and `edge`: how far the last that goes on is above the first that does not, both as
    shares of the whole range of scores. `agreement`: the share that the first `top_k` of two
    arms (BM25 and dense) have in common; `same_first`: 1 when they agree on the best. Of a single
    arm both are 0.5.
    """

    words: float
    candidates: float
    identifier: float
    lead: float
    edge: float
    agreement: float
    same_first: float

    def row(self) -> tuple[float, ...]:
        """Return the numbers in the order of `NAMES`."""
        return astuple(self)


NAMES = tuple(field.name for field in fields(Features))


def features_of(candidates: Ranking, *, top_k: int) -> Features:
    """Look at a first stage's ranking of which `top_k` will go on; the arms are in the documents' history."""
    words = candidates.query.text.split()
    scores = [item.score for item in candidates]
    arms = _arms(candidates)
    return Features(
        float(len(words)),
        float(len(candidates)),
        sum(map(is_identifier, words)) / len(words),
        _drop(scores, 1),
        _drop(scores, top_k),
        _agreement(arms, top_k),
        float(arms[0][:1] == arms[1][:1]) if len(arms) > 1 else 0.5,
    )


def is_identifier(word: str) -> bool:
    """Whether a word looks like a name in code, a code or a path: `max_length`, `TypeError`, `ERR-404`, `a/b.py`."""
    bare = word.strip(".,;:?!\"'")
    if bare.isdigit() and len(bare) < 5:  # a year or a count
        return False
    return bool(_CAMEL.search(bare) or (_INSIDE.search(bare) and not _is_plain(bare)))


def _is_plain(word: str) -> bool:
    """A hyphenated word or a contraction: letters with single hyphens between them."""
    return all(part.isalpha() and part.islower() for part in word.lower().split("-")) and word[1:] == word[1:].lower()


def _drop(scores: Sequence[float], place: int) -> float:
    """Return the fall from the score before `place` to the one at it, as a share of the whole range."""
    if not 0 < place < len(scores) or scores[0] == scores[-1]:
        return 0.0
    return (scores[place - 1] - scores[place]) / (scores[0] - scores[-1])


def _arms(candidates: Ranking) -> list[list[str]]:
    """Return each arm's documents among the candidates, best first."""
    ranks: dict[str, dict[int, str]] = {}
    for item in candidates:
        for standing in item.history:
            ranks.setdefault(standing.stage, {})[standing.rank] = item.doc_id
    return [[by_rank[rank] for rank in sorted(by_rank)] for by_rank in ranks.values()]


def _agreement(arms: Sequence[Sequence[str]], top_k: int) -> float:
    if len(arms) < 2:
        return 0.5
    first, second = (set(arm[:top_k]) for arm in arms[:2])
    return len(first & second) / max(1, min(top_k, max(len(first), len(second))))
