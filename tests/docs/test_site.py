"""The site builds without a network and without a warning, and its links lead somewhere."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import shortlist

pytest.importorskip("mkdocs", reason="needs the extra 'docs'")
pytest.importorskip("mkdocstrings", reason="needs the extra 'docs'")

ROOT = Path(__file__).parents[2]
BUILD = """
import os, socket, sys
def refuse(*_): raise OSError("the site must build without a network")
socket.socket.connect = socket.getaddrinfo = refuse
os.environ["DISABLE_MKDOCS_2_WARNING"] = "true"  # an announcement of the theme's authors, on stderr
from mkdocs.__main__ import cli
cli(["build", "--strict", "--quiet", "--site-dir", sys.argv[1]])
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-c", BUILD, folder], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    return folder


class Page(HTMLParser):
    """What a page names, links to, and loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value}
        self.names |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in {"script", "img", "iframe"} and "src" in given:
            self.loads.append(given["src"])
        if tag == "link" and given.get("rel") == "stylesheet":
            self.loads.append(given["href"])


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {file: Page(file.read_text(encoding="utf-8")) for file in sorted(site.rglob("*.html"))}


def inner(links: list[str], file: Path) -> Iterator[tuple[str, Path, str]]:
    """Yield each link within the site with its file and anchor."""
    for link in links:
        parts = urlsplit(link)
        if not parts.scheme and not parts.netloc:
            yield link, (file.parent / unquote(parts.path)).resolve() if parts.path else file, unquote(parts.fragment)


def test_every_program_of_the_examples_page_is_shown(site: Path) -> None:
    shown = (site / "examples.html").read_text(encoding="utf-8")
    named = (ROOT / "docs/examples.md").read_text(encoding="utf-8").count("--8<--")
    assert named == shown.count('<div class="highlight"') >= 7
    assert "--8" not in shown


def test_every_link_within_the_site_leads_to_a_page_and_a_place_in_it(pages: dict[Path, Page]) -> None:
    checked, dead = 0, []
    for file, page in pages.items():
        if file.name == "404.html":  # its links are of the address it will be served at
            continue
        for link, target, anchor in inner(page.links, file):
            target = target / "index.html" if target.is_dir() else target
            checked += 1
            if not target.is_file() or (anchor and target in pages and anchor not in pages[target].names):
                dead.append(f"{file.name}: {link}")
    assert checked > 500
    assert dead == []


def test_links_out_of_it_are_well_formed(pages: dict[Path, Page]) -> None:
    out = {link for page in pages.values() for link in page.links if urlsplit(link).scheme}
    assert out
    assert [link for link in sorted(out) if urlsplit(link).scheme != "https" or "." not in urlsplit(link).netloc] == []


def test_everything_that_is_loaded_is_of_the_site(pages: dict[Path, Page]) -> None:
    loads = [load for page in pages.values() for load in page.loads]
    assert any(load.endswith(".svg") for load in loads)
    assert [load for load in loads if urlsplit(load).scheme or urlsplit(load).netloc] == []
    found = [(load, target) for file, page in pages.items() for load, target, _ in inner(page.loads, file)]
    assert [load for load, target in found if not target.is_file() and not load.startswith("/")] == []  # as 404.html's


def test_the_reference_holds_every_public_name(pages: dict[Path, Page]) -> None:
    page = next(page for file, page in pages.items() if file.name == "api.html")
    errors = {"ShortlistError": "shortlist.errors.ShortlistError"}
    public = [errors.get(name, f"shortlist.{name}") for name in shortlist.__all__]
    assert [name for name in public if name not in page.names] == []


def test_the_tables_that_are_made_while_building_are_there(site: Path) -> None:
    choosing = (site / "choosing.html").read_text(encoding="utf-8")
    assert choosing.count("<td>") + choosing.count("<td ") >= 5 * 4
    assert "Usage: shortlist search" in (site / "cli.html").read_text(encoding="utf-8")
    assert "ShortlistRanker" not in choosing
