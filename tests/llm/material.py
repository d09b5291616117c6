"""Candidates that the oracle knows, and generators that break."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from shortlist.errors import GenerationError
from shortlist.scorers.llm import LLMReranker, PointwiseLLM
from shortlist.scorers.registry import load_reranker
from shortlist.testing.oracle import Oracle, Temper
from shortlist.types import Completion, Document, Prompt, Query, Ranking


def candidates(count: int, *, seed: int = 0) -> tuple[Ranking, dict[str, float]]:
    """Return `count` candidates in a random order, and the distinct relevance (0 to 4) of each by its id."""
    documents = [Document(f"doc-{i} stands in the river of text.", f"doc-{i}") for i in range(count)]
    random.Random(seed).shuffle(documents)
    return Ranking.in_order(Query("which is it?"), documents, stage="given"), {
        f"doc-{i}": 4 - 4 * i / max(1, count) for i in range(count)
    }


def ideal(count: int) -> list[str]:
    """Return the ids in their true order."""
    return [f"doc-{i}" for i in range(count)]


def oracle(relevance: dict[str, float], temper: Temper = "perfect") -> Oracle:
    return Oracle(relevance, temper)


def of(kind: str, model: Any, **options: Any) -> LLMReranker | PointwiseLLM:
    """A kind of reranker that asks a language model."""
    reranker = load_reranker(kind, model, **options)
    assert isinstance(reranker, LLMReranker | PointwiseLLM)
    return reranker


class Scripted:
    """Answers with given texts in turn, the last one for ever; remembers what it was asked."""

    fingerprint = "scripted"

    def __init__(self, *texts: str) -> None:
        self._texts = texts
        self.asked: list[Prompt] = []

    def generate(self, prompt: Prompt) -> Completion:
        self.asked.append(prompt)
        return Completion(self._texts[min(len(self.asked), len(self._texts)) - 1], 100, 10)


class Failing:
    """Answers as another generator does, until it fails."""

    fingerprint = "failing"

    def __init__(self, inner: Oracle, *, after: int) -> None:
        self._inner, self._left = inner, after

    def generate(self, prompt: Prompt) -> Completion:
        self._left -= 1
        if self._left < 0:
            raise GenerationError("the server is gone")
        return self._inner.generate(prompt)


def is_permutation(order: Sequence[int], count: int) -> bool:
    return sorted(order) == list(range(count))
