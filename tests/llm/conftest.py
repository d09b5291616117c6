from __future__ import annotations

from collections.abc import Iterator

import pytest

from shortlist.generators.load import load_language_model
from shortlist.generators.model import LanguageModel


@pytest.fixture(scope="session")
def server(language_server: str) -> str:
    return language_server


@pytest.fixture(scope="session")
def served(server: str) -> Iterator[LanguageModel]:
    """The model behind that server, through the official client."""
    pytest.importorskip("openai")
    model = load_language_model("SmolLM2-135M-Instruct", server=server, concurrency=2)
    yield model
    model._endpoint.close()  # type: ignore[attr-defined]
