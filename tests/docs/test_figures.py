"""The tables of `docs/install.md` and `docs/integrations.md` are those of the measurements in `docs/figures`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from benchmarks.installs.extras import SMOKE, TOGETHER, extras
from benchmarks.installs.hosts import EXTRAS, RELEASES, SHAPES

DOCS = Path(__file__).parents[2] / "docs"


def rows_of(name: str) -> dict[str, Any]:
    rows: dict[str, Any] = json.loads((DOCS / "figures" / f"{name}.json").read_text(encoding="utf-8"))["rows"]
    return rows


def verdict(row: Mapping[str, Any]) -> str:
    skipped = f", {row['skipped']} skipped" if row["skipped"] else ""
    return f"{row['passed']} passed{skipped}" if row["passed"] and not row["failed"] else "no"


def installs_table() -> str:
    lines = ["| extra | packages | MiB | seconds | tests |", "|---|--:|--:|--:|---|"]
    rows = rows_of("installs")
    for name in ("base", *(one for one in extras() if one in SMOKE), TOGETHER):
        named, row = f"`{name}`" if name in SMOKE else name, rows.get(name)
        if row is None:
            lines.append(f"| {named} | | | | not measured |")
            continue
        lines.append(f"| {named} | {row['packages']} | {row['mebibytes']} | {row['seconds']} | {verdict(row)} |")
    return "\n".join(lines)


def hosts_table() -> str:
    lines = ["| host | works with | does not work with |", "|---|---|---|"]
    rows = rows_of("hosts")
    for host in RELEASES:
        tried = rows.get(host, {})
        if not tried:
            lines.append(f"| {host} | not measured | |")
            continue
        works, fails = ([one for one, row in tried.items() if holds(row) is wanted] for wanted in (True, False))
        lines.append(f"| {host} | {', '.join(works)} | {', '.join(fails)} |")
    return "\n".join(lines)


def holds(row: Mapping[str, Any]) -> bool:
    return bool(row["passed"] > 0 and row["failed"] == 0)


@pytest.mark.parametrize(
    ("page", "mark", "table"),
    [("install.md", "installs", installs_table), ("integrations.md", "hosts", hosts_table)],
    ids=["installs", "hosts"],
)
def test_a_page_holds_the_table_of_its_measurements(
    page: str, mark: str, table: Any, request: pytest.FixtureRequest
) -> None:
    file = DOCS / page
    begin = f"<!-- {mark}: written by pytest --update-golden tests/docs/test_figures.py -->\n"
    before, found, rest = file.read_text(encoding="utf-8").partition(begin)
    held, _, after = rest.partition(f"<!-- end of {mark} -->")
    assert found
    made = "\n" + table() + "\n\n"
    if request.config.getoption("--update-golden"):
        file.write_text(f"{before}{begin}{made}<!-- end of {mark} -->{after}", encoding="utf-8")
        held = made
    assert held == made


def test_what_was_installed_resolves_and_works() -> None:
    rows = rows_of("installs")
    assert "base" in rows
    assert set(rows) <= {"base", TOGETHER, *SMOKE}
    assert [name for name, row in rows.items() if not holds(row) or row["conflicts"]] == []


def test_an_extra_that_pip_offers_has_a_test() -> None:
    assert set(extras()) - set(SMOKE) == {"dev", "native", "multilingual"}


def test_a_host_was_tried_at_its_newest_release_and_at_the_oldest_that_is_promised() -> None:
    for host, tried in rows_of("hosts").items():
        assert host in RELEASES
        assert [row["release"] for row in tried.values() if row.get("newest") and holds(row)], host
        promised = SHAPES.get(host) or asked_for(host)
        oldest = {".".join([*release.split("."), "0", "0"][:3]) for release in tried if holds(tried[release])}
        assert ".".join([*promised.split("."), "0", "0"][:3]) in oldest, f"{host}>={promised} was not seen to work"


def asked_for(host: str) -> str:
    """Return the oldest release of a host that its extra takes."""
    return next(one for one in extras()[EXTRAS.get(host, host)] if one.startswith(host)).split(">=")[1]
