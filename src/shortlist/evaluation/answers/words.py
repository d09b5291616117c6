"""A judge that looks for an answer's words: it shares nothing with the model that ranked the passages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shortlist.errors import InputError
from shortlist.evaluation.answers.squad import normalised
from shortlist.generation.support import Statement
from shortlist.types import Document

SHARE = 0.75  # of a sentence's own words: an extracted answer has all, a sentence around it adds a word or two


@dataclass(frozen=True, slots=True)
class WordsJudge:
    """A sentence is supported when one passage holds three quarters of the words that the question does not hold.

    It knows no synonyms and no negation: it is made for answers that are taken from a passage.
    `accuracy` is its balanced accuracy on known statements, 0..1.
    """

    accuracy: float
    statements: int

    @property
    def method(self) -> str:
        """The method in words, with how well it parts what is known."""
        return (
            f"a sentence is supported when one passage holds {SHARE:.0%} of its words that are not the question's"
            f" (balanced accuracy {self.accuracy:.3f} on {self.statements} known statements)"
        )

    @classmethod
    def measured(cls, statements: Sequence[Statement]) -> WordsJudge:
        """Measure the judge on known statements; raises InputError when all are supported or none is."""
        right: dict[bool, list[bool]] = {True: [], False: []}
        for one in statements:
            is_said = share_of_words(one.question, one.answer, one.passage) >= SHARE
            right[one.is_supported].append(is_said == one.is_supported)
        if not all(right.values()):
            raise InputError("a judge is measured on statements that are supported and some that are not")
        return cls(sum(sum(known) / len(known) for known in right.values()) / 2, len(statements))

    def supports(self, question: str, sentence: str, passages: Sequence[Document]) -> bool:
        """Tell whether a passage holds enough of the sentence's words."""
        return any(share_of_words(question, sentence, passage) >= SHARE for passage in passages)


def share_of_words(question: str, sentence: str, passage: Document) -> float:
    """Return the share, 0..1, of the sentence's words that the passage holds, those of the question left out.

    Of a sentence that says nothing new, all words count; of one without words it is 0.
    """
    words = normalised(sentence)
    asked = set(normalised(question))
    counted = [word for word in words if word not in asked] or words
    there = set(normalised(passage.full_text))
    return sum(word in there for word in counted) / len(counted) if counted else 0.0
