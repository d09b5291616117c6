"""A GGUF file run by llama.cpp inside this process."""

from __future__ import annotations

import json
import os
import secrets
import threading
import urllib.request
from pathlib import Path
from typing import Any

from shortlist._optional import require
from shortlist.errors import GenerationError, InputError, ModelNotFoundError, UnsupportedModelError
from shortlist.generators.chat import Json, Receive, token_ids, unanswered

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy stands between us and ourselves


class LlamaCppEndpoint:
    """Runs a model through xllamacpp, `concurrency` requests at once, each with `context` tokens for prompt and answer.

    `threads` is how many cores it uses (None: all this process may use but one). Its threads
    spin while they wait for one another: with as many as there are cores, one that another
    program keeps off its core makes all of them wait, at every layer. xllamacpp also listens
    on a port of the loopback interface, where this process asks it for token ids; a random
    key closes it to everybody else.
    """

    def __init__(
        self, file: str | Path, *, context: int = 4096, threads: int | None = None, concurrency: int = 1
    ) -> None:
        if context < 1 or concurrency < 1 or (threads is not None and threads < 1):
            raise InputError(
                f"a model needs context, threads and concurrency from 1; got {context}, {threads} and {concurrency}"
            )
        path = Path(file).expanduser()
        if not path.is_file():
            raise ModelNotFoundError(f"there is no GGUF file at {path}; give the path of one, or name a server")
        self.fingerprint = f"{path.name}@llama.cpp:{path.stat().st_size}:{context}"
        self._key = secrets.token_hex()
        self._server = _started(path, self._key, context * concurrency, threads, concurrency)
        self._turns = threading.BoundedSemaphore(concurrency)

    def chat(self, request: Json) -> Json:
        """Run a chat-completion request; raises GenerationError with what llama.cpp said."""
        return self._run(self._server.handle_chat_completions, request)

    def stream(self, request: Json, receive: Receive) -> None:
        """Run a chat-completion request and hand over its chunks; raises GenerationError with what llama.cpp said."""
        with self._turns:
            try:
                self._server.handle_chat_completions(dict(request), receive)
            except RuntimeError as error:
                raise unanswered(self.fingerprint, str(error)) from error

    def complete(self, request: Json) -> Json:
        """Run a text-completion request; raises GenerationError with what llama.cpp said."""
        return self._run(self._server.handle_completions, request)

    def tokenize(self, text: str) -> list[int]:
        """Return the ids of a text's tokens; the bindings tell them only over HTTP."""
        request = urllib.request.Request(
            f"{self._server.listening_address}/tokenize",
            json.dumps({"content": text}).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"},
        )
        try:
            with _DIRECT.open(request) as answer:
                return token_ids(json.load(answer), self.fingerprint)
        except OSError as error:
            raise GenerationError(f"{self.fingerprint} did not answer on its own port: {error}") from error

    def _run(self, handle: Any, request: Json) -> Json:
        with self._turns:
            try:
                answer: Json = handle(dict(request))
            except RuntimeError as error:
                raise unanswered(self.fingerprint, str(error)) from error
        if "error" in answer:
            told = answer["error"]
            raise unanswered(self.fingerprint, str(told.get("message")), status=told.get("code"))
        return answer


def _started(path: Path, key: str, context: int, threads: int | None, concurrency: int) -> Any:
    xllamacpp = require("xllamacpp", extra="gguf")
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx, params.n_parallel = context, concurrency
    params.verbosity, params.warmup, params.ui = 0, False, False
    params.cache_ram_mib = 0  # prompts share only their beginning, which stays in the slot anyway
    params.api_keys = [key]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads or max(1, _usable_cores() - 1)
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise UnsupportedModelError(f"llama.cpp cannot run {path} with {context} tokens of context: {error}") from error


def _usable_cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1
