"""Names become language models: a model on a server, or a GGUF file."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from shortlist.errors import InputError
from shortlist.generators.chat import Endpoint
from shortlist.generators.echo import EchoForcing
from shortlist.generators.grammar import GrammarForcing
from shortlist.generators.llamacpp import LlamaCppEndpoint
from shortlist.generators.model import Forcing, LanguageModel
from shortlist.generators.openai import OpenAIEndpoint

FORCINGS: dict[str, type[Forcing]] = {"grammar": GrammarForcing, "echo": EchoForcing}


def load_language_model(
    model: str, *, server: str | None = None, likelihood: str = "grammar", **options: Any
) -> LanguageModel:
    """Take `model` for the name of a model on `server`, or without a server for the path of a GGUF file.

    `likelihood` says how the log probabilities of a given answer are got: "grammar" from
    llama.cpp, "echo" from vLLM and others with legacy completions. `options` are those of
    `OpenAIEndpoint` or of `LlamaCppEndpoint`. Nothing is sent to a server yet.
    """
    if likelihood not in FORCINGS:
        raise InputError(f"likelihood must be one of {', '.join(FORCINGS)}; got {likelihood!r}")
    if server is None and not model.endswith(".gguf"):
        raise InputError(
            f"{model!r} is no .gguf file; name the server that runs it, e.g. server='http://localhost:8000/v1', or"
            " --llm-server on the command line"
        )
    if not model:
        raise InputError(f"a language model needs its name on {server}, whose /models lists them")
    takes: Callable[..., Endpoint] = LlamaCppEndpoint if server is None else OpenAIEndpoint
    known = list(inspect.signature(takes).parameters)[1:]  # the first is the model
    if unknown := [name for name in options if name not in known]:
        what = "a GGUF file" if server is None else "a language model on a server"
        raise InputError(
            f"{what} has no option {unknown[0]!r}; it has likelihood, {', '.join(known)}, and what the kind of reranker"
            " takes (docs/llm.md)"
        )
    endpoint: Endpoint = takes(model, **({} if server is None else {"server": server}), **options)
    return LanguageModel(endpoint, forcing=FORCINGS[likelihood]())
