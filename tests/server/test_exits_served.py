"""A served blend with exits: what cannot reach the top any more is not queued."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.running import Running, running
from shortlist.server.run import state_of
from shortlist.server.settings import ServeSettings
from shortlist.settings import Settings

QUERY = "How do I sort by two keys at once?"


def served(index: Path, exits: str) -> Iterator[Running]:
    with running(state_of(Settings(engine="onnxruntime", exits=exits), ServeSettings(index=str(index)))) as started:
        yield started


@pytest.fixture(scope="module")
def whole(index: Path) -> Iterator[Running]:
    yield from served(index, "none")


@pytest.fixture(scope="module")
def exits(index: Path) -> Iterator[Running]:
    yield from served(index, "packaged")


def search(server: Running, **more: Any) -> Any:
    answer = server.ask("/v1/search", {"query": QUERY, "top_k": 1, "depth": 30, **more})
    assert answer.status == 200, answer.content
    return answer.json


def counts(found: Any, stage: str) -> Any:
    return next(step["counts"] for step in found["trace"] if step["stage"] == stage)


def test_the_hopeless_are_not_queued_and_what_is_read_scores_as_before(whole: Running, exits: Running) -> None:
    found, expected = search(exits)["results"], search(whole)["results"]
    assert found[0]["id"] == expected[0]["id"]
    assert found[0]["score"] == pytest.approx(expected[0]["score"], abs=1e-3)
    chosen, queued = (counts(search(exits), stage) for stage in ("cheap first", "queue"))
    assert chosen["read"] == queued["pairs"] < chosen["documents"]


def test_a_deadline_goes_with_exits(whole: Running, exits: Running) -> None:
    found = search(exits, budget_ms=30_000)
    assert found["results"][0]["id"] == search(whole)["results"][0]["id"]
    assert counts(found, "cheap first")["unread"] > 0


def test_without_exits_too_a_deadline_finds_the_most_promising_first(whole: Running) -> None:
    assert counts(search(whole, budget_ms=30_000), "cheap first")["unread"] == 0
    assert "cheap first" not in [step["stage"] for step in search(whole)["trace"]]


def test_texts_that_no_index_holds_are_all_read_and_the_client_is_told(exits: Running) -> None:
    answer = exits.ask("/shortlist/v1/rerank", {"query": QUERY, "documents": ["a", "b"], "top_k": 1})
    assert answer.status == 200
    assert "no stored vector" in answer.headers["x-shortlist-degraded"]


def test_exits_are_of_the_model_that_answers_when_none_is_named(index: Path) -> None:
    models = ("shortlist-l6", "all-minilm-l6-v2")
    settings = Settings(model="another", engine="onnxruntime", exits="packaged")
    with running(state_of(settings, ServeSettings(models=models, index=str(index)))) as started:
        assert counts(search(started), "cheap first")["unread"] > 0
        other = search(started, model="all-minilm-l6-v2")
        assert [step["stage"] for step in other["trace"] if step["stage"] == "cheap first"] == []
