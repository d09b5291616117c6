"""A language model at an endpoint: it continues chats, whole or in pieces, and says how likely an answer is."""

from __future__ import annotations

from typing import Protocol

from shortlist.generators.chat import Endpoint, chat_request, completion_of
from shortlist.generators.streaming import Chunks, Write, stream_request
from shortlist.types import Completion, Likelihood, Prompt


class Forcing(Protocol):
    """A way to get the log probabilities of a given answer out of an endpoint."""

    def log_likelihood(self, endpoint: Endpoint, prompt: Prompt, continuation: str) -> Likelihood:
        """Return them; raises GenerationError when the endpoint does not give them in this way."""
        ...


class LanguageModel:
    """A Generator and a LikelihoodModel; as safe in threads as its endpoint."""

    def __init__(self, endpoint: Endpoint, *, forcing: Forcing) -> None:
        self._endpoint = endpoint
        self._forcing = forcing

    @property
    def fingerprint(self) -> str:
        """The endpoint's."""
        return self._endpoint.fingerprint

    def generate(self, prompt: Prompt) -> Completion:
        """Return the model's answer; raises GenerationError when there is none."""
        return completion_of(self._endpoint.chat(chat_request(prompt)), with_logprobs=prompt.top_logprobs > 0)

    def stream(self, prompt: Prompt, write: Write) -> Completion:
        """Hand the answer's text to `write` as it comes, and return all of it; raises as `generate` does."""
        chunks = Chunks(write)
        self._endpoint.stream(stream_request(prompt), chunks.receive)
        return chunks.completion()

    def count_tokens(self, text: str) -> int:
        """Return how many tokens a text is; raises GenerationError where the server does not tell (llama.cpp does)."""
        return len(self._endpoint.tokenize(text)) if text else 0

    def log_likelihood(self, prompt: Prompt, continuation: str) -> Likelihood:
        """Return the log probabilities of the tokens of `continuation` as the answer to `prompt`."""
        return self._forcing.log_likelihood(self._endpoint, prompt, continuation)
