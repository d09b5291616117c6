from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from server.running import Running, running, state_with
from shortlist import index_paths


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """A server whose one model, "overlap", scores by the words that query and document share."""
    with running(state_with()) as started:
        yield started


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of one page of Python's documentation, which no test changes."""
    folder = tmp_path_factory.mktemp("served") / "index"
    index_paths([Path(__file__).parents[2] / "examples" / "python-docs" / "howto" / "sorting.rst"], folder)
    return folder
