"""The page in a real browser: type, rerank, see what moved; with the keyboard, on a phone, with hostile text."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from server.running import Running, running
from shortlist.server.run import state_of
from shortlist.server.settings import ServeSettings
from shortlist.settings import Settings

playwright = pytest.importorskip("playwright.sync_api", exc_type=ImportError)
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; CHROMIUM names one"),
    pytest.mark.filterwarnings("ignore"),
]
HOSTILE = [
    "<script>window.harmed = true</script> people of Berlin",
    "<img src=x onerror='window.harmed = true'> Berlin",
    "\u202eabc \u05e9\u05dc\u05d5\u05dd people \u2066Berlin",
    "Berlin people " * 3000,
    "\ud800 half a letter".encode("utf-8", "replace").decode(),
]


@pytest.fixture(scope="module")
def server(index: Path) -> Iterator[Running]:
    with running(state_of(Settings(), ServeSettings(index=str(index)))) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@contextmanager
def opened(browser: Any, server: Running, *, width: int = 1200, height: int = 1000) -> Iterator[Any]:
    """Open the page; afterwards nothing may have been complained about or asked of anybody else."""
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    page.set_default_timeout(60_000)
    complaints: list[str] = []
    asked_of: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if is_complaint(said) else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda asked: asked_of.append(asked.url))
    page.goto(server.url)
    page.wait_for_selector("#model option", state="attached")
    yield page
    context.close()
    assert complaints == []
    assert [url for url in asked_of if not url.startswith((server.url, "data:"))] == []


def is_complaint(said: Any) -> bool:
    """Whether the console says something bad; that an answer is 429 is what one test is about."""
    return said.type in {"error", "warning"} and "429" not in said.text


def order(page: Any, side: str) -> list[str]:
    found: list[str] = page.locator(f"#{side} .card").evaluate_all("cards => cards.map(card => card.dataset.of)")
    return found


def rerank(page: Any) -> None:
    page.click("#go")
    page.wait_for_selector("#go:not([disabled])")
    page.wait_for_selector("#after .card")


def test_what_is_typed_is_reranked_and_the_movement_is_drawn(browser: Any, server: Running) -> None:
    with opened(browser, server) as page:
        page.fill("#query", "How many people live in Berlin?")
        page.fill("#documents", "Munich is nice.\n\nIt rained.\n\nBerlin had a population of 3.5 million.")
        rerank(page)
        assert order(page, "after") == ["1", "2", "3"]
        assert page.locator("#after .card .text").first.inner_text().startswith("Berlin had")
        assert order(page, "before")[2] == "1", "the best one stood third before"
        assert page.locator("#moves path.up").count() == 1
        assert "up 2" in page.locator("#after .facts").first.inner_text()
        assert "weighted sum" in page.inner_text("#status")
        assert page.locator("#stages meter").count() >= 2
        page.locator("#after .explain").first.click()
        page.wait_for_selector("#after mark")
        assert "occlusion" in page.inner_text("#after")
        if folder := os.environ.get("SCREENSHOTS"):
            page.screenshot(path=f"{folder}/page.png", full_page=True)


def test_the_budget_slider_shows_the_plan(browser: Any, server: Running) -> None:
    with opened(browser, server) as page:
        page.focus("#budget")
        for _ in range(3):
            page.keyboard.press("ArrowLeft")
        page.wait_for_selector("#plan:has-text('Plan:')")
        assert page.inner_text("#budget-shown").endswith("ms")


def test_the_index_is_searched(browser: Any, server: Running) -> None:
    with opened(browser, server) as page:
        page.wait_for_selector("[value=index]:not([disabled])")
        page.check("[value=index]")
        assert not page.is_visible("#documents")
        page.fill("#query", "How do I sort by two keys?")
        rerank(page)
        assert 1 < page.locator("#after .card").count() <= 10
        assert page.locator("#moves path").count() == page.locator("#after .card").count()
        assert "sorting.rst:" in page.locator("#after .facts").first.inner_text()


def test_the_keyboard_is_enough(browser: Any, server: Running) -> None:
    with opened(browser, server) as page:
        reached = []
        for _ in range(12):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.id || document.activeElement.name || ''"))
        assert {"query", "documents", "model", "budget", "go"} <= set(reached)
        page.focus("#query")
        page.keyboard.press("Control+A")
        page.keyboard.type("Who lives in Munich?")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector("#after .card")
        assert page.evaluate("document.activeElement.id") == "results"


@pytest.mark.parametrize("width", [320, 390])
def test_it_fits_on_a_phone(browser: Any, server: Running, width: int) -> None:
    with opened(browser, server, width=width, height=800) as page:
        rerank(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if folder := os.environ.get("SCREENSHOTS"):
            page.screenshot(path=f"{folder}/phone-{width}.png", full_page=True)


def test_hostile_text_is_shown_as_text(browser: Any, server: Running) -> None:
    with opened(browser, server) as page:
        page.fill("#documents", "\n\n".join(HOSTILE))
        rerank(page)
        page.locator("#after .explain").first.click()
        page.wait_for_selector("#after mark")
        shown = page.locator("#after .card .text").all_inner_texts()
        assert any("<script>window.harmed" in text for text in shown)
        assert page.evaluate("window.harmed") is None
        assert page.locator("#after script, #after img, #before script, #before img").count() == 0
        assert "tokens" in page.inner_text("#after"), "the long one says that it was cut"
        assert page.evaluate("document.documentElement.scrollWidth") <= 1200


def test_an_error_is_said(browser: Any, server: Running) -> None:
    with opened(browser, server) as page:
        page.fill("#documents", "")
        page.route("**/rerank", lambda route: route.fulfill(status=429, headers={"Retry-After": "7"}, body="{}"))
        page.click("#go")
        page.wait_for_selector("#failure:not([hidden])")
        assert "Try again in 7 s" in page.inner_text("#failure")


@pytest.mark.parametrize(("kind", "begins"), [("curl", "curl http"), ("python", "import json"), ("json", "{")])
def test_what_was_asked_is_copied(browser: Any, server: Running, kind: str, begins: str) -> None:
    with opened(browser, server) as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.fill("#documents", "It's \"quoted\" \\ and '''more'''.\n\nBerlin had 3.5 million people.")
        page.select_option("#model", index=0)
        rerank(page)
        page.click(f"[data-copy={kind}]")
        page.wait_for_selector("#copied:not(:empty)")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied.startswith(begins)
        if kind == "json":
            assert len(json.loads(copied)["results"]) == 2
            return
        command = ["bash", "-c", copied] if kind == "curl" else [sys.executable, "-c", copied]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        assert "results" in done.stdout
