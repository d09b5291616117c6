"""The share of an answer's sentences that the passages support."""

from __future__ import annotations

from collections.abc import Sequence

from shortlist.generation.citations import cited
from shortlist.generation.support import Judge
from shortlist.types import Document


def faithfulness(judge: Judge, question: str, answer: str, passages: Sequence[Document]) -> float:
    """Return the supported share of the answer's sentences, in 0..1."""
    sentences = [sentence.text for sentence in cited(answer) if sentence.text]
    if not sentences:
        return 0.0
    return sum(judge.supports(question, sentence, passages) for sentence in sentences) / len(sentences)
