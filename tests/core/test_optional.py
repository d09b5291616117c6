"""What is not installed is named with its extra; what is installed and broken shows its own error."""

from __future__ import annotations

from pathlib import Path

import pytest

from shortlist._optional import require
from shortlist.errors import MissingExtraError


@pytest.mark.parametrize("module", ["a_package_of_nobody", "a_package_of_nobody.part", "json.a_part_of_nobody"])
def test_a_missing_module_names_the_command_that_installs_it(module: str) -> None:
    with pytest.raises(MissingExtraError, match=rf"{module} is not installed\. .*pip install 'shortlist\[some\]'"):
        require(module, extra="some")


@pytest.mark.parametrize("missing", ["another_package_of_nobody", "half_installed._library"])
def test_what_a_broken_package_lacks_is_not_taken_for_the_package(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_installed").mkdir()
    (tmp_path / "half_installed" / "__init__.py").write_text(f"import {missing}")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match=missing):
        require("half_installed", extra="some")
