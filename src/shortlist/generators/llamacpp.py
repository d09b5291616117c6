"""A GGUF file run by llama.cpp inside this process."""

from __future__ import annotations

import secrets
import threading
from pathlib import Path
from typing import Any

from shortlist._optional import require
from shortlist.errors import GenerationError, InputError, ModelNotFoundError, UnsupportedModelError
from shortlist.generators.chat import Json


class LlamaCppEndpoint:
    """Runs a model through xllamacpp, `concurrency` requests at once, each with `context` tokens for prompt and answer.

    `threads` is how many cores it uses (None: llama.cpp decides). xllamacpp also listens on
    a port of the loopback interface; a random key, which nobody is told, closes it.
    """

    def __init__(
        self, file: str | Path, *, context: int = 4096, threads: int | None = None, concurrency: int = 1
    ) -> None:
        if context < 1 or concurrency < 1:
            raise InputError(f"a model needs context and concurrency from 1; got {context} and {concurrency}")
        path = Path(file)
        if not path.is_file():
            raise ModelNotFoundError(f"there is no GGUF file at {path}; give the path of one, or name a server")
        self.fingerprint = f"{path.name}@llama.cpp:{path.stat().st_size}:{context}"
        self._server = _started(path, context * concurrency, threads, concurrency)
        self._turns = threading.BoundedSemaphore(concurrency)

    def chat(self, request: Json) -> Json:
        """Run a chat-completion request; raises GenerationError with what llama.cpp said."""
        return self._run(self._server.handle_chat_completions, request)

    def complete(self, request: Json) -> Json:
        """Run a text-completion request; raises GenerationError with what llama.cpp said."""
        return self._run(self._server.handle_completions, request)

    def _run(self, handle: Any, request: Json) -> Json:
        with self._turns:
            try:
                answer: Json = handle(dict(request))
            except RuntimeError as error:
                raise GenerationError(f"{self.fingerprint} did not answer: {error!s:.300}") from error
        if "error" in answer:
            raise GenerationError(f"{self.fingerprint} did not answer: {answer['error'].get('message')!s:.300}")
        return answer


def _started(path: Path, context: int, threads: int | None, concurrency: int) -> Any:
    xllamacpp = require("xllamacpp", extra="gguf")
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx, params.n_parallel = context, concurrency
    params.verbosity, params.warmup, params.ui = 0, False, False
    params.cache_ram_mib = 0  # prompts share only their beginning, which stays in the slot anyway
    params.api_keys = [secrets.token_hex()]
    if threads is not None:
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise UnsupportedModelError(f"llama.cpp cannot run {path} with {context} tokens of context: {error}") from error
