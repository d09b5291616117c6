"""OpenAI's streamed chat completions: chunks become text as it is written, and a Completion at the end.

The format: https://platform.openai.com/docs/api-reference/chat-streaming
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shortlist.errors import GenerationError
from shortlist.generators.chat import Json, chat_request, count_of, text_of, unanswered
from shortlist.types import Completion, Prompt

Write = Callable[[str], None]


def stream_request(prompt: Prompt) -> dict[str, Any]:
    """Return the request for a streamed answer, which ends with a chunk that tells the usage."""
    return {**chat_request(prompt), "stream": True, "stream_options": {"include_usage": True}}


@dataclass(slots=True)
class Chunks:
    """Receives the chunks of one answer, and hands their text on; what `write` raises comes out again."""

    write: Write
    parts: list[str] = field(default_factory=list)
    usage: dict[str, Any] = field(default_factory=dict)
    finish: str = ""
    has_come: bool = False
    failure: BaseException | None = None

    def receive(self, chunk: Json) -> bool:
        """Take a chunk; return whether to stop. Raises nothing: the caller may be another language's thread."""
        self.has_come = True
        try:
            self._take(chunk)
        except BaseException as error:
            self.failure = self.failure or error
        return self.failure is not None

    def _take(self, chunk: Json) -> None:
        if "error" in chunk:
            told = chunk["error"] if isinstance(chunk["error"], Mapping) else {"message": chunk["error"]}
            raise unanswered("the server", str(told.get("message") or chunk["error"]), status=told.get("code"))
        try:
            choices = chunk["choices"]
            text = "".join(text_of(choice["delta"].get("content")) for choice in choices[:1])
            self.finish = next((choice.get("finish_reason") for choice in choices[:1]), None) or self.finish
            self.usage.update(chunk.get("usage") or {})
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise GenerationError(f"a piece of the answer is no chat completion chunk: {chunk!r:.200}") from error
        if text:
            self.parts.append(text)
            self.write(text)

    def completion(self) -> Completion:
        """Return the whole answer; raises what went wrong on the way."""
        if self.failure is not None:
            raise self.failure
        if not self.has_come:  # an empty answer is a chunk, too; this is a server that answered otherwise than asked
            raise GenerationError(
                "the server sent no piece of a streamed answer; `shortlist ask --json` does not stream"
            )
        if not self.finish:
            raise GenerationError("the answer broke off: the server closed the stream without saying that it is whole")
        read, wrote = (count_of(self.usage, name) for name in ("prompt_tokens", "completion_tokens"))
        return Completion("".join(self.parts), read, wrote, self.finish == "length")
