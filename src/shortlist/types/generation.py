"""What is asked of a language model, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from shortlist.errors import InputError

MessageRole = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat."""

    role: MessageRole
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """A chat to be continued, and how.

    At most `max_tokens` are generated, at `temperature` (0 takes the likeliest token).
    `top_logprobs` asks for the log probabilities of that many candidates of every
    generated token; a model that cannot give them says so with an error.
    Raises InputError when there is no message or a number is out of its range.
    """

    messages: tuple[Message, ...]
    max_tokens: int = 256
    temperature: float = 0.0
    stop: tuple[str, ...] = ()
    top_logprobs: int = 0

    def __post_init__(self) -> None:
        if not self.messages:
            raise InputError("a prompt needs at least one message")
        if self.max_tokens < 1 or self.temperature < 0 or self.top_logprobs < 0:
            raise InputError(
                f"a prompt needs max_tokens from 1, temperature and top_logprobs from 0;"
                f" got {self.max_tokens}, {self.temperature}, {self.top_logprobs}"
            )


@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """A generated token, and the natural-log probabilities of the candidates for its place."""

    token: str
    candidates: Mapping[str, float] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model generated, with what it read and wrote in tokens; `is_cut` when it stopped at `max_tokens`."""

    text: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    is_cut: bool = False
    logprobs: tuple[TokenLogprobs, ...] = ()


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How likely a model finds a given continuation: the natural-log probability of each of its tokens, in order.

    Raises InputError when there is no token, or a log probability is above 0.
    """

    logprobs: tuple[float, ...]
    prompt_tokens: int = 0

    def __post_init__(self) -> None:
        if not self.logprobs or not all(value <= 1e-4 for value in self.logprobs):  # rounding; NaN fails too
            raise InputError(
                f"a likelihood needs log probabilities of at most 0, one a token; got {self.logprobs!r:.80}"
            )

    @property
    def mean(self) -> float:
        """The mean log probability of a token, which texts of different lengths can be compared by."""
        return sum(self.logprobs) / len(self.logprobs)
