"""What asking costs: caps before, an estimate before, and what was used after."""

from __future__ import annotations

from dataclasses import dataclass

from shortlist.errors import InputError
from shortlist.passages.size import count_words
from shortlist.types import Prompt

# tokens for a word as `count_words` counts them, and for a chat's turn; see docs/decisions.md for the measurement
TOKENS_A_WORD = 1.2
TOKENS_A_MESSAGE = 8


@dataclass(frozen=True, slots=True)
class Prices:
    """Money for a million tokens read (`prompt`) and written (`completion`), in any one currency."""

    prompt: float
    completion: float

    def __post_init__(self) -> None:
        if not (self.prompt >= 0 and self.completion >= 0):
            raise InputError(f"prices must be 0 or more; got {self.prompt} and {self.completion}")


@dataclass(frozen=True, slots=True)
class Usage:
    """Calls made, tokens read and tokens written."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def tokens(self) -> int:
        """Tokens read and written."""
        return self.prompt_tokens + self.completion_tokens

    def cost(self, prices: Prices) -> float:
        """Return what it costs, in the prices' currency."""
        return (self.prompt_tokens * prices.prompt + self.completion_tokens * prices.completion) / 1e6

    def plus(self, other: Usage) -> Usage:
        """Return both together."""
        return Usage(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
        )

    def less(self, other: Usage) -> Usage:
        """Return this without the other."""
        return Usage(
            self.calls - other.calls,
            self.prompt_tokens - other.prompt_tokens,
            self.completion_tokens - other.completion_tokens,
        )


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a reranking will take: at most `calls`, and about so many tokens (and money) if it takes all of them."""

    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """Caps on one reranking; None is no cap. `cost` is in the currency of the prices.

    Calls are exact. Tokens of a call are known only afterwards, so a call is not made when
    its estimate would pass a cap; what it takes beyond its estimate can pass it. A call that
    the client sends again after a failure, or with shorter passages after the server found
    them too long, counts once.
    """

    calls: int | None = None
    tokens: int | None = None
    cost: float | None = None

    def __post_init__(self) -> None:
        if any(cap is not None and not cap >= 0 for cap in (self.calls, self.tokens, self.cost)):
            raise InputError(f"caps must be 0 or more, or None; got {self}")

    def refusal(self, usage: Usage, prices: Prices | None) -> str:
        """Say which cap `usage` would pass; an empty text when none."""
        if self.calls is not None and usage.calls > self.calls:
            return f"the cap of {self.calls} calls"
        if self.tokens is not None and usage.tokens > self.tokens:
            return f"the cap of {self.tokens} tokens"
        if self.cost is not None and prices is not None and usage.cost(prices) > self.cost:
            return f"the cap of {self.cost:g} in money"
        return ""


def expected_usage(prompt: Prompt, *, written: int | None = None) -> Usage:
    """Estimate one call from its text: what is read, and `written` tokens (None: as many as are allowed)."""
    words = sum(count_words(message.text) for message in prompt.messages)
    read = round(words * TOKENS_A_WORD) + TOKENS_A_MESSAGE * len(prompt.messages)
    return Usage(1, read, prompt.max_tokens if written is None else written)
