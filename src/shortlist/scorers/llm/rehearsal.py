"""A model that says nothing: a method is rehearsed with it to see how large its prompts are."""

from __future__ import annotations

from shortlist.scorers.llm.cost import expected_usage
from shortlist.types import Completion, Likelihood, Prompt


class Rehearsal:
    """Answers nothing, at the price of its prompt; no network and no model."""

    fingerprint = "rehearsal"

    def generate(self, prompt: Prompt) -> Completion:
        """Return an empty answer of the largest allowed size."""
        usage = expected_usage(prompt)
        return Completion("", usage.prompt_tokens, usage.completion_tokens)

    def log_likelihood(self, prompt: Prompt, continuation: str) -> Likelihood:
        """Return one certain token a word."""
        return Likelihood((0.0,) * max(1, len(continuation.split())), expected_usage(prompt).prompt_tokens)
