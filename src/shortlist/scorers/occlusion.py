"""Which words carried a score, by occlusion (Zeiler & Fergus 2014): leave a few out, and see what the score loses."""

from __future__ import annotations

import re
from dataclasses import dataclass

from shortlist.protocols import Scorer
from shortlist.scorers.pointwise import Pointwise
from shortlist.types import Document, Query, Ranking, ScoreKind, Trace

MOST_PARTS = 32
WHOLE = "0"  # the id of the document itself among its copies
METHOD = "occlusion: the document is scored again without each part; a weight is the score that is lost then"
_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Part:
    """Characters `start` to `end` of a document, and the score that is lost without them."""

    start: int
    end: int
    weight: float = 0.0


@dataclass(frozen=True, slots=True)
class Explanation:
    """A document's score for a query, and of each of its parts, in their order, what the score loses without it.

    The weights need not add up to the score: words stand in for each other. `trace` is of the document and all of its
    copies.
    """

    query: Query
    document: Document
    score: float
    score_kind: ScoreKind
    parts: tuple[Part, ...]
    trace: Trace


def explained(scorer: Scorer, query: Query, document: Document) -> Explanation:
    """Score a document and its copies without each of at most 32 parts of its text; its title stays in all of them."""
    parts = parts_of(document.text)
    ranking = Pointwise(scorer).rerank(without_each(query, document, parts))
    score = next(item.score for item in ranking if item.doc_id == WHOLE)
    return Explanation(query, document, score, ranking.score_kind, tuple(weighed(parts, ranking)), ranking.trace)


def parts_of(text: str, *, most: int = MOST_PARTS) -> list[Part]:
    """Split a text into at most so many parts of whole words, as even as they can be."""
    words = [match.span() for match in _WORD.finditer(text)]
    size = -(-len(words) // most) if words else 1
    groups = [words[place : place + size] for place in range(0, len(words), size)]
    return [Part(group[0][0], group[-1][1]) for group in groups]


def without_each(query: Query, document: Document, parts: list[Part]) -> Ranking:
    """Return the whole document and its copies without each part as candidates, named by place from 0."""
    text = document.text
    texts = [text, *(text[: part.start] + text[part.end :] for part in parts)]
    return Ranking.in_order(query, [Document(one, str(place), document.title) for place, one in enumerate(texts)])


def weighed(parts: list[Part], ranking: Ranking) -> list[Part]:
    """Return the parts with their weights, from the ranking of the candidates; those not scored are left out."""
    scores = {int(item.doc_id): item.score for item in ranking if item.is_scored}
    if 0 not in scores:
        return []
    return [
        Part(part.start, part.end, scores[0] - scores[place]) for place, part in enumerate(parts, 1) if place in scores
    ]
