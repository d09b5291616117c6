"""A question about passages, which can be written again with shorter ones when it is too long for the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shortlist.passages.quoting import shortened
from shortlist.passages.size import count_words
from shortlist.scorers.llm.fence import between_marks, warned
from shortlist.types import Message, Prompt

FEWEST_WORDS = 8  # what is left of a passage tells hardly anything below that
_KEPT = 0.75  # of the longest passage, from one try to the next

Write = Callable[[Sequence[str]], Sequence[Message]]


@dataclass(frozen=True, slots=True)
class Question:
    """Passages, and how to write a prompt that shows them.

    `fenced`: they stand between marks, and the prompt says that what is inside is data.
    `max_tokens` and `top_logprobs` are those of the prompt.
    """

    passages: tuple[str, ...]
    write: Write
    fenced: bool = True
    max_tokens: int = 1
    top_logprobs: int = 0

    def prompt(self, words: int | None = None) -> Prompt:
        """Return the prompt, with at most so many words of each passage."""
        passages = self.passages if words is None else [shortened(passage, words)[0] for passage in self.passages]
        messages = self.write(between_marks(passages) if self.fenced else passages)
        return Prompt(
            warned(messages) if self.fenced else tuple(messages),
            max_tokens=self.max_tokens,
            top_logprobs=self.top_logprobs,
        )

    def shorter(self, words: int | None = None) -> int | None:
        """Return how many words of each passage to try after `words`; None when too little would be left."""
        longest = max(map(count_words, self.passages), default=0) if words is None else words
        return max(FEWEST_WORDS, int(longest * _KEPT)) if longest > FEWEST_WORDS else None
