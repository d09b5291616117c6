"""Names become generators, as "module:attr", like the registry of scorers."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from shortlist.protocols import Generator

FACTORY = "shortlist.generators:load_language_model"


def load_generator(
    model: str,
    *,
    server: str = "",
    api_key: str | None = None,
    threads: int | None = None,
    context: int | None = None,
) -> Generator:
    """Load a language model: `model` on an OpenAI-compatible `server`, or without one a GGUF file.

    `api_key` is sent to the server. `threads` and `context` (tokens of prompt and answer) are those of a GGUF file; a
    server has its own.
    """
    module, name = FACTORY.split(":")
    factory: Callable[..., Generator] = getattr(importlib.import_module(module), name)
    if server:
        return factory(model, server=server, api_key=api_key)
    return factory(model, threads=threads, **({"context": context} if context else {}))
