"""A server that speaks OpenAI's format, through the official client: OpenAI, vLLM, llama.cpp, Ollama and others."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from shortlist._optional import require
from shortlist.errors import AuthenticationError, GenerationError, InputError
from shortlist.generators.chat import Json, Receive, token_ids, unanswered
from shortlist.types.address import checked_url

_LONGEST_S = 1_000_000  # a socket's time ends somewhere
_NO_KEY = "none"  # the client insists on one; servers of one's own mostly do not look at it


@dataclass(frozen=True, slots=True)
class _Line:
    """The connections of one process, and how many may be used at once."""

    process: int
    client: Any
    turns: threading.BoundedSemaphore


class OpenAIEndpoint:
    """Sends requests to `server`, at most `concurrency` at once; more wait for their turn.

    `server` is the base URL with its version, e.g. "http://localhost:8000/v1". `api_key` is
    sent there and is never taken from the environment: another server's key must not leak.
    A request that fails for a passing reason (connection, 408, 409, 429, 5xx) is sent again
    `retries` times, with pauses that double or are what the server asks for. `timeout_s`
    is of one try. `body` is merged into every request; None takes a field out, as in
    `{"max_tokens": None, "max_completion_tokens": 4000, "temperature": None}`.
    """

    def __init__(
        self,
        model: str,
        *,
        server: str,
        api_key: str | None = None,
        timeout_s: float = 120.0,
        retries: int = 2,
        concurrency: int = 8,
        body: Mapping[str, Any] | None = None,
    ) -> None:
        if not 0 < timeout_s <= _LONGEST_S or retries < 0 or concurrency < 1:
            raise InputError(
                f"a server needs timeout_s above 0 and up to {_LONGEST_S}, retries from 0 and concurrency from 1;"
                f" got {timeout_s}, {retries}, {concurrency}"
            )
        self._openai = require("openai", extra="llm")
        self._model, self._server = model, checked_url(server)
        self._key = (api_key or "").strip()
        if not (self._key.isascii() and self._key.isprintable()):
            raise AuthenticationError("the key has characters that no HTTP header can hold; was it copied whole?")
        self._how = {"api_key": self._key or _NO_KEY, "timeout": timeout_s, "max_retries": retries}
        self._concurrency = concurrency
        self._line = self._connected()
        self._body = dict(body or {})
        self.fingerprint = f"{model}@{self._server}"

    def _connected(self) -> _Line:
        client = self._openai.OpenAI(base_url=self._server, **self._how)
        return _Line(os.getpid(), client, threading.BoundedSemaphore(self._concurrency))

    @contextmanager
    def _turn(self) -> Iterator[Any]:
        """Wait for a turn and give the client; a forked process has its own of both."""
        if self._line.process != os.getpid():
            self._line = self._connected()
        with self._line.turns:
            yield self._line.client

    def chat(self, request: Json) -> Json:
        """Send a chat-completion request; raises GenerationError with what the server said."""
        return self._send(lambda client: client.chat.completions, "messages", request)

    def stream(self, request: Json, receive: Receive) -> None:
        """Send a chat-completion request and hand over its chunks; raises GenerationError with what the server said."""
        with self._turn() as client:
            try:
                with self._create(client.chat.completions, "messages", request) as chunks:
                    for chunk in chunks:
                        if receive(chunk.to_dict()):
                            return
            except (self._openai.OpenAIError, ValueError, OSError) as error:
                raise self._unanswered(error) from error

    def complete(self, request: Json) -> Json:
        """Send a text-completion request; raises GenerationError with what the server said."""
        return self._send(lambda client: client.completions, "prompt", request)

    def tokenize(self, text: str) -> list[int]:
        """Ask llama.cpp's own `/tokenize`, which lies beside `/v1`; raises GenerationError for other servers."""
        url = self._server.removesuffix("/v1") + "/tokenize"
        told = self._told(lambda client: client.post(url, body={"content": text}, cast_to=object))
        return token_ids(told, self.fingerprint)

    def close(self) -> None:
        """Close the connections."""
        self._line.client.close()

    def _send(self, resource: Callable[[Any], Any], key: str, request: Json) -> Json:
        answer = self._told(lambda client: self._create(resource(client), key, request))
        if not hasattr(answer, "to_dict"):
            raise GenerationError(f"{self.fingerprint} answered what is no JSON object: {answer!r:.200}")
        told: Json = answer.to_dict(warnings=False)
        return told

    def _create(self, resource: Any, key: str, request: Json) -> Any:
        rest = {**request, **self._body}
        named = {name: rest.pop(name) for name in (key, "stream") if name in rest}
        rest = {name: value for name, value in rest.items() if value is not None}
        return resource.create(model=self._model, **named, extra_body=rest)

    def _told(self, send: Callable[[Any], Any]) -> Any:
        with self._turn() as client:
            try:
                return send(client)
            except (self._openai.OpenAIError, ValueError) as error:  # ValueError: the body is no JSON
                raise self._unanswered(error) from error

    def _unanswered(self, error: Exception) -> GenerationError:
        status = getattr(error, "status_code", None)
        advice = _ADVICE.get(status or 0, "")
        if isinstance(error, self._openai.APIConnectionError):
            advice = "is it running, is the address right, and does it answer within timeout_s?"
        reason = _reason(error)
        if self._key:  # some servers repeat the key they refuse
            reason = re.sub(rf"(?<!\w){re.escape(self._key)}(?!\w)", "...", reason)
        return unanswered(self.fingerprint, reason, status=status, advice=advice)


_KEY = "its key is api_key=..., and that of --llm-server SHORTLIST_LLM_KEY in the environment"
_ADVICE = {
    401: _KEY,
    403: _KEY,
    404: "is the model one of those that ADDRESS/models lists, and does the address end in its version, as in /v1?",
}


def _reason(error: Exception) -> str:
    cause = f" ({error.__cause__})" if error.__cause__ is not None else ""
    return f"{type(error).__name__}: {error}{cause}"
