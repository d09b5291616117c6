"""The native kernel as it is asked for, wherever it can run."""

from __future__ import annotations

from pathlib import Path

from shortlist.inference.kernel import VERSION

ROOT = Path(__file__).parents[2]


def test_the_extra_and_the_package_beside_it_have_the_version_that_is_needed() -> None:
    assert f'"shortlist-native=={VERSION};' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    package = ROOT / "native" / "src" / "shortlist_native" / "__init__.py"
    assert f'__version__ = "{VERSION}"' in package.read_text(encoding="utf-8")
