"""Names become generators, as "module:attr", like the registry of scorers."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from shortlist.protocols import Generator

FACTORY = "shortlist.generators:load_language_model"


def load_generator(model: str, *, server: str = "", threads: int | None = None) -> Generator:
    """Load a language model: `model` on an OpenAI-compatible `server`, or without one a GGUF file on `threads`."""
    module, name = FACTORY.split(":")
    factory: Callable[..., Generator] = getattr(importlib.import_module(module), name)
    return factory(model, server=server) if server else factory(model, threads=threads)
