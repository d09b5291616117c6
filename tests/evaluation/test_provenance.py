"""Where figures come from is told wherever they are made."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from shortlist.evaluation.provenance import provenance


def test_what_a_broken_installation_left_behind_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pip leaves folders such as ~umpy-2.0.dist-info, which name nothing."""
    (tmp_path / "~umpy-2.0.dist-info").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    versions = provenance("here", also=("pytest", "no-such-package"))["versions"]
    assert (versions["numpy"], versions["pytest"]) == tuple(map(importlib.metadata.version, ("numpy", "pytest")))
    assert "no-such-package" not in versions
