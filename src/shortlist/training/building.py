"""Checked examples and mined negatives become training groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shortlist.training.examples import Asked, Examples, Judged
from shortlist.training.groups import Group
from shortlist.training.negatives import Miner


@dataclass(frozen=True, slots=True)
class Building:
    """How groups are made of a query's passages.

    A group holds one relevant passage and at most `negatives` others; of a query that has relevant
    passages only, these are those of a lower grade. A query with several relevant passages makes at
    most `positives` groups; with `together` it makes one, of all its passages with their graded
    labels, for losses over orders.
    """

    negatives: int = 7
    positives: int = 4
    together: bool = False


def groups_of(examples: Examples, options: Building, miner: Miner | None) -> Iterator[Group]:
    """Yield the groups of every query in turn; queries without a relevant or without another passage make none."""
    highest = max((one.label for asked in examples.asked for one in asked.passages), default=1.0)
    for asked in examples.asked:
        given = [one for one in asked.passages if one.label == 0]
        more = [] if miner is None else miner.negatives(asked)
        mined = [Judged(text, 0.0, None, 0) for text in more]
        yield from _groups(asked, [*given, *mined], options, highest)


def _groups(asked: Asked, negatives: Sequence[Judged], options: Building, highest: float) -> Iterator[Group]:
    relevant = sorted(asked.relevant, key=lambda one: -one.label)
    if not relevant or not (negatives or len({one.label for one in relevant}) > 1):
        return
    if options.together:
        yield _group(asked.query, [*relevant, *negatives[: options.negatives]], highest)
        return
    for place, positive in enumerate(relevant[: options.positives]):
        others = negatives or [one for one in relevant if one.label < positive.label]
        start = place * options.negatives % max(1, len(others))  # another part of them for each positive
        turned = [*others[start:], *others[:start]][: options.negatives]
        if turned:
            yield _group(asked.query, [positive, *turned], highest)


def _group(query: str, passages: Sequence[Judged], highest: float) -> Group:
    scores = tuple(one.score for one in passages)
    return Group(
        query,
        tuple(one.text for one in passages),
        () if all(score is None for score in scores) else scores,
        "pairs",
        labels=tuple(one.label / highest for one in passages),
    )
