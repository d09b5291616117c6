"""`docs/models.md` says what the catalogue says."""

from __future__ import annotations

from pathlib import Path

import pytest

from shortlist.catalogue import read_catalogue
from shortlist.catalogue.table import as_markdown

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
BEGIN, END = "--update-golden tests/families/test_table.py -->\n", "<!-- end of catalogue -->"


def test_the_page_holds_the_tables_of_the_catalogue(request: pytest.FixtureRequest) -> None:
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    held, _, after = rest.partition(END)
    tables = "\n" + as_markdown(read_catalogue()) + "\n"
    if request.config.getoption("--update-golden"):
        PAGE.write_text(before + BEGIN + tables + END + after, encoding="utf-8")
        held = tables
    assert held == tables


def test_every_model_has_a_row_with_its_licence() -> None:
    rows = [row for row in as_markdown(read_catalogue()).splitlines() if row.startswith("| `")]
    assert len(rows) == len(read_catalogue())
    for entry, row in zip(read_catalogue(), sorted(rows, key=_place), strict=True):
        assert row.startswith(f"| `{entry.name}` | {entry.hub} |")
        assert ("not for commercial use" in row) is not entry.commercial


def _place(row: str) -> int:
    return [entry.name for entry in read_catalogue()].index(row.split("`")[1])
