"""OpenAI's chat-completion JSON, both ways: a Prompt becomes a request, an answer becomes a Completion.

The format: https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from shortlist.errors import GenerationError, PromptRefusedError, PromptTooLongError
from shortlist.types import Completion, Prompt, TokenLogprobs

Json = Mapping[str, Any]
Receive = Callable[[Json], bool]


class Endpoint(Protocol):
    """Where requests go; its methods raise GenerationError when there is no answer, and are safe in threads."""

    @property
    def fingerprint(self) -> str:
        """Name the model and the server or file it runs from."""
        ...

    def chat(self, request: Json) -> Json:
        """Send a chat-completion request; the endpoint adds the model's name."""
        ...

    def stream(self, request: Json, receive: Receive) -> None:
        """Send a chat-completion request and hand over every chunk of the answer, until `receive` wants to stop."""
        ...

    def complete(self, request: Json) -> Json:
        """Send a text-completion request; the endpoint adds the model's name."""
        ...

    def tokenize(self, text: str) -> list[int]:
        """Return the ids of a text's tokens, without special ones; only llama.cpp tells them in this way."""
        ...


def chat_request(prompt: Prompt) -> dict[str, Any]:
    """Return the request for a prompt, without the model's name."""
    request: dict[str, Any] = {
        "messages": [{"role": message.role, "content": message.text} for message in prompt.messages],
        "max_tokens": prompt.max_tokens,
        "temperature": prompt.temperature,
    }
    if prompt.stop:
        request["stop"] = list(prompt.stop)
    if prompt.top_logprobs:
        request |= {"logprobs": True, "top_logprobs": prompt.top_logprobs}
    return request


def completion_of(answer: Json, *, with_logprobs: bool) -> Completion:
    """Read an answer; an absent text is an empty one, and usage that is absent or no number counts 0.

    Raises GenerationError when it is no chat completion, or lacks log probabilities that were asked for.
    """
    try:
        choice = answer["choices"][0]
        usage = answer.get("usage") or {}
        logprobs = tuple(_token(entry) for entry in (choice.get("logprobs") or {}).get("content") or ())
        completion = Completion(
            text_of(choice["message"].get("content")),
            count_of(usage, "prompt_tokens"),
            count_of(usage, "completion_tokens"),
            choice.get("finish_reason") == "length",
            logprobs,
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise GenerationError(f"the answer is no chat completion ({error!r}): {answer!r:.200}") from error
    if with_logprobs and not logprobs and completion.completion_tokens != 0:
        raise GenerationError(
            "the answer has no log probabilities; this server or model does not give them:"
            " choose a method that reads the answer's text instead"
        )
    return completion


def text_of(content: Any) -> str:
    """Return a message's text, also where it stands in parts beside what the model thought, as with Mistral's."""
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part["type"] == "text")
    if content is not None and not isinstance(content, str):
        raise TypeError(f"content of {type(content).__name__}")
    return content or ""


def count_of(usage: Json, name: str) -> int:
    """Return a count of tokens, 0 where none is told."""
    told = usage.get(name)
    return int(told) if isinstance(told, int | float) and 0 < told < math.inf else 0


def unanswered(name: str, reason: str, *, status: int | None = None, advice: str = "") -> GenerationError:
    """Return the error for a request that `name` did not answer, for `reason` and with that HTTP `status` if any."""
    kind: type[GenerationError] = PromptRefusedError if status in _REFUSED else GenerationError
    if any(words in reason for words in _TOO_LONG):
        kind = PromptTooLongError
    return kind(f"{name} did not answer: {reason:.300}" + (f"; {advice}" if advice else ""))


_REFUSED = (400, 413, 422)
_TOO_LONG = (  # there is no other sign that all send
    "exceeds the available context size",  # llama.cpp
    "context_length_exceeded",  # OpenAI's code
    "maximum context length",  # OpenAI, vLLM, SGLang, Mistral
    "maximum model length",  # vLLM since 0.9
    "model's context length",  # SGLang, Together
    "maximum allowed input length",  # SGLang
    "maximum prompt length",  # xAI
    "prompt is too long",  # Anthropic
)


def token_ids(answer: Any, name: str) -> list[int]:
    """Read an answer of llama.cpp's `/tokenize`; raises GenerationError, naming the endpoint, for anything else."""
    ids = answer.get("tokens") if isinstance(answer, Mapping) else None
    if not isinstance(ids, list) or not ids or not all(isinstance(one, int) for one in ids):
        raise GenerationError(
            f"{name} does not tell how it cuts a text into tokens as llama.cpp does: {answer!r:.100};"
            " for other servers choose likelihood='echo'"
        )
    return ids


def _token(entry: Json) -> TokenLogprobs:
    candidates = {one["token"]: float(one["logprob"]) for one in entry.get("top_logprobs") or ()}
    return TokenLogprobs(entry["token"], {entry["token"]: float(entry["logprob"]), **candidates})
