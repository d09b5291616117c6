"""Whether to rerank, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Decision:
    """What a gate decided for one query, with a reason for people.

    `chance` is the probability, where the gate knows one, that reranking would be worth it.
    """

    is_worth_it: bool
    reason: str
    chance: float | None = None
