from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shortlist.retrieval import Index

from .material import HashingEncoder


@pytest.fixture
def encoder() -> HashingEncoder:
    return HashingEncoder()


@pytest.fixture
def index(tmp_path: Path, encoder: HashingEncoder) -> Iterator[Index]:
    with Index.create(tmp_path / "index", encoder=encoder) as made:
        yield made


@pytest.fixture(scope="module")
def module_index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """One index for all tests of a module that only read, or clean up after themselves."""
    with Index.create(tmp_path_factory.mktemp("module") / "index", encoder=HashingEncoder()) as made:
        yield made
