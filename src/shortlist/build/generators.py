"""Names become language models, as "module:attr", like the registry of scorers; where they run, and by which key."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from typing import Any

from shortlist.protocols import Generator

KEY = "SHORTLIST_LLM_KEY"
FACTORY = "shortlist.generators.load:load_language_model"


def load_generator(
    model: str,
    *,
    server: str = "none",
    threads: int | None = None,
    context: int | None = None,
) -> Generator:
    """Load a language model: `model` on the settings' `server`, with the key of `KEY`, or for "none" a GGUF file.

    `threads` and `context` (tokens of prompt and answer) are those of a GGUF file; a server has its own.
    """
    module, name = FACTORY.split(":")
    factory: Callable[..., Generator] = getattr(importlib.import_module(module), name)
    if server != "none":
        return factory(model, server=server, api_key=_key())
    return factory(model, threads=threads, **({"context": context} if context else {}))


def run_by(defaults: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a model runs that is named as a reranker: on the defaults' server with its key, or here.

    The key is for that server alone: an `options` of its own server has an `api_key` of its own, or none. One of None
    is here. What is elsewhere has no threads of ours.
    """
    here = {name: value for name, value in defaults.items() if name != "server" and value is not None}
    server = options["server"] if "server" in options else defaults.get("server")
    if not server:
        return here
    here.pop("threads", None)
    return here if "server" in options else {**here, "server": server, "api_key": _key()}


def _key() -> str | None:
    """Return the key of the settings' server: in the environment, since a command line would show it to everybody."""
    return os.environ.get(KEY, "").strip() or None
