"""What the documents say is executed or checked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All blocks of a page run in order, as one program, in a folder that holds the examples."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in BLOCK.findall(page.read_text(encoding="utf-8")):
        exec(compile(block, str(page), "exec"), names)


@pytest.mark.parametrize("page", [*PAGES, ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md"], ids=lambda p: p.name)
def test_named_files_exist(page: Path) -> None:
    """Every path in backquotes that looks like one of ours is there."""
    named = re.findall(r"`((?:src|tests|docs|examples|scripts|benchmarks|\.ci)/[\w./-]+)`", page.read_text("utf-8"))
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_room_is_on_the_map() -> None:
    rooms = [p.name for p in (ROOT / "src" / "shortlist").iterdir() if (p / "__init__.py").is_file()]
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert len(rooms) > 10
    assert [room for room in rooms if f"`{room}" not in text] == []
