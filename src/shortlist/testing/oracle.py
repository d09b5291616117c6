"""A language model that knows the relevance of every document: perfect, noisy, adversarial or garbled."""

from __future__ import annotations

import hashlib
import math
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from string import ascii_uppercase
from typing import Literal

from shortlist.types import Completion, Likelihood, Prompt, TokenLogprobs
from shortlist.types.ranking import descending

Temper = Literal["perfect", "noisy", "adversarial", "garbled"]
Answer = Callable[[list[float], random.Random], str]

KEY = re.compile(r"\bdoc-\d+\b")
_GARBAGE = (
    "",
    "I'm sorry, but I cannot rank these 20 passages.",
    "<think>[1] is better than [2], so",
    "<think>[9] > [8]</think>[2] > [2] > [99] > [1]",
    "Sure! Here is the ranking:\n1. [3]\n2. [1]",
    "[1-5] > [7]",
    "\u2460 > \u2462 > \u2461",
    "3 > 1 > 2",
    "The best is Passage B, then [A].",
    "[2,1,3",
    '{"ranking": [3, 1]}',
)


@dataclass(frozen=True, slots=True)
class Oracle:
    """Answers every prompt of the LLM rerankers by `relevance`, from keys such as "doc-17" to numbers from 0 to 4.

    Every document's text must hold its key, and nothing else that looks like one. "noisy"
    adds Gaussian noise of `spread` to each judgement, "adversarial" reverses them, "garbled"
    answers with what models have really answered instead of an order. It is a pure function
    of the prompt and `seed`.
    """

    relevance: Mapping[str, float] = field(hash=False)
    temper: Temper = "perfect"
    spread: float = 1.0
    seed: int = 0

    @property
    def fingerprint(self) -> str:
        """Name the temper."""
        return f"oracle:{self.temper}:{self.spread}:{self.seed}"

    def generate(self, prompt: Prompt) -> Completion:
        """Return the answer that the prompt's last message asks for."""
        text = "\n".join(message.text for message in prompt.messages)
        chance = random.Random(hashlib.sha256(f"{self.seed}:{text}".encode()).digest())
        judged = [self._judged(key, chance) for key in KEY.findall(text)]
        answer, logprobs = self._answer(prompt.messages[-1].text, judged, chance)
        return Completion(
            answer, len(text.split()), len(answer.split()), logprobs=logprobs if prompt.top_logprobs else ()
        )

    def log_likelihood(self, prompt: Prompt, continuation: str) -> Likelihood:
        """Return likelier tokens for a question about a more relevant document."""
        text = "\n".join(message.text for message in prompt.messages)
        chance = random.Random(hashlib.sha256(f"{self.seed}:{text}".encode()).digest())
        judged = [self._judged(key, chance) for key in KEY.findall(text)]
        likely = -1 / (1 + math.exp(max(judged, default=0.0)))
        return Likelihood((likely,) * max(1, len(continuation.split())), len(text.split()))

    def _judged(self, key: str, chance: random.Random) -> float:
        relevance = self.relevance.get(key, 0.0)
        if self.temper == "noisy":
            return relevance + chance.gauss(0.0, self.spread)
        return -relevance if self.temper == "adversarial" else relevance

    def _answer(self, asked: str, judged: list[float], chance: random.Random) -> tuple[str, tuple[TokenLogprobs, ...]]:
        if self.temper == "garbled":
            answer = chance.choice(_GARBAGE)
            return answer, (_token(dict.fromkeys(["the", *answer.split()[:3]], -1.0)),)
        if "'Yes' or 'No'" in asked:
            yes = 1 / (1 + math.exp(-max(judged, default=0.0)))
            return "Yes" if yes > 0.5 else "No", (_token({"Yes": math.log(yes), "No": math.log(1 - yes)}),)
        if "From a scale of 0 to" in asked:
            weights = {str(grade): -((grade - max(judged, default=0.0)) ** 2) for grade in range(5)}
            return max(weights, key=weights.__getitem__), (_token(_normalised(weights)),)
        return _by_preference(asked, judged)


def _by_preference(asked: str, judged: list[float]) -> tuple[str, tuple[TokenLogprobs, ...]]:
    if not judged:
        return "", ()
    order = descending(judged)
    labels = _token(_normalised(dict(zip(ascii_uppercase, judged, strict=False))))
    if "Output Passage A or Passage B" in asked:
        return f"Passage {'AB'[order[0]]}", (labels,)
    if "Output only the passage label" in asked:
        return ascii_uppercase[order[0]], (labels,)
    if "an alphabetical identifier" in asked:
        return " > ".join(f"[{ascii_uppercase[place]}]" for place in order), (_token({"[": 0.0}), labels)
    return " > ".join(f"[{place + 1}]" for place in order), ()


def _normalised(weights: Mapping[str, float]) -> dict[str, float]:
    total = math.log(sum(map(math.exp, weights.values())))
    return {name: weight - total for name, weight in weights.items()}


def _token(candidates: Mapping[str, float]) -> TokenLogprobs:
    return TokenLogprobs(max(candidates, key=candidates.__getitem__), candidates)
