"""Whether passages support a sentence, by a cross-encoder or by a language model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from shortlist.errors import InputError
from shortlist.generators.reasoning import short_answer, without_reasoning
from shortlist.protocols import Generator, Scorer
from shortlist.types import Completion, Document, Message, Prompt, Query


class Judge(Protocol):
    """Says whether passages support a statement; `method` says how, for the report."""

    @property
    def method(self) -> str:
        """The method in words."""
        ...

    def supports(self, question: str, sentence: str, passages: Sequence[Document]) -> bool:
        """Tell whether one of the passages supports a sentence of the answer to a question."""
        ...


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement with a passage, and whether the passage supports it."""

    question: str
    answer: str
    passage: Document
    is_supported: bool


@dataclass(frozen=True, slots=True)
class ScorerJudge:
    """A scorer with a threshold: `question answer` is supported when a passage scores at least so much."""

    scorer: Scorer
    threshold: float
    accuracy: float
    statements: int

    @property
    def method(self) -> str:
        """The method in words, with how well it parts what is known."""
        return (
            f"a sentence is supported when {self.scorer.fingerprint} scores 'question sentence' with a passage at"
            f" {self.threshold:.2f} or more; the threshold parts {self.statements} gold answers with their own passage"
            f" from the same with another retrieved one best (balanced accuracy {self.accuracy:.3f} on those)"
        )

    @classmethod
    def fitted(cls, scorer: Scorer, statements: Sequence[Statement]) -> ScorerJudge:
        """Choose the threshold with the highest balanced accuracy on known statements.

        Raises InputError when all are supported or none is.
        """
        scores = np.array([_score(scorer, s.question, s.answer, [s.passage]) for s in statements])
        truth = np.array([s.is_supported for s in statements], dtype=bool)
        if not truth.any() or truth.all():
            raise InputError("a threshold needs statements that are supported and some that are not")
        candidates = np.unique(scores)
        accuracies = [((scores[truth] >= t).mean() + (scores[~truth] < t).mean()) / 2 for t in candidates]
        best = int(np.argmax(accuracies))
        return cls(scorer, float(candidates[best]), float(accuracies[best]), len(statements))

    def supports(self, question: str, sentence: str, passages: Sequence[Document]) -> bool:
        """Tell whether the best passage reaches the threshold."""
        return bool(passages) and _score(self.scorer, question, sentence, passages) >= self.threshold


@dataclass(frozen=True, slots=True)
class GeneratorJudge:
    """A language model that is asked for yes or no."""

    generator: Generator

    @property
    def method(self) -> str:
        """The method in words."""
        return f"{self.generator.fingerprint} is asked whether the passages support a sentence, and must begin with yes"

    def supports(self, question: str, sentence: str, passages: Sequence[Document]) -> bool:
        """Tell whether the model's answer begins with yes."""
        texts = "\n\n".join(passage.full_text for passage in passages)
        asked = (
            f"Passages:\n\n{texts}\n\nQuestion: {question}\nAnswer: {sentence}\n\n"
            "Do the passages support this answer? Reply with yes or no."
        )
        prompt = Prompt((Message("user", asked),), max_tokens=4)
        said = without_reasoning(short_answer(self.generator.generate, prompt, is_said=_is_verdict).text)
        return said.strip().lower().startswith("yes")


def _is_verdict(said: Completion) -> bool:
    return not said.is_cut or without_reasoning(said.text).strip().lower().startswith(("yes", "no"))


def _score(scorer: Scorer, question: str, sentence: str, passages: Sequence[Document]) -> float:
    return float(scorer.score(Query(f"{question} {sentence}".strip()), passages).values.max())
