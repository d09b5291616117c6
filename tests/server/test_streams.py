"""Partial orders as server-sent events: they firm up, they end with the answer, and a refusal stays a refusal."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from server.fakes import Overlap
from server.running import running, state_with, waited_for
from shortlist.server.scheduling.queue import Bounds
from shortlist.server.settings import ServeSettings
from shortlist.types import Document, Query, Scores

OWN = "/shortlist/v1/rerank"
DOCUMENTS = ["one", "iron", "tall iron", "tall iron tower"]
BODY = {"query": "tall iron tower", "documents": DOCUMENTS, "stream": True}


class Stepwise(Overlap):
    """Scores one batch every time it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = threading.Semaphore(0)

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        assert self.turns.acquire(timeout=10), "the test gave no turn"
        return super().score(query, documents)


@contextmanager
def streamed(port: int, body: Any) -> Iterator[Iterator[tuple[str, Any]]]:
    """Ask, and yield the events as they arrive."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("POST", OWN, json.dumps(body))
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/event-stream")

    def events() -> Iterator[tuple[str, Any]]:
        while (line := answer.readline().decode()) != "":
            if line.startswith("event: "):
                name = line.removeprefix("event: ").strip()
                yield name, json.loads(answer.readline().decode().removeprefix("data: "))

    try:
        yield events()
    finally:
        connection.close()


def state_for(scorer: Overlap) -> Any:
    return state_with({"overlap": scorer}, settings=ServeSettings(batch_tokens=1))


def test_partial_orders_firm_up_until_the_whole_answer() -> None:
    scorer = Stepwise()
    with running(state_for(scorer)) as server:
        scorer.turns.release()
        with streamed(server.port, BODY) as events:
            orders = []
            for name, event in events:
                orders.append((name, [result["index"] for result in event["results"]], event["unscored"]))
                scorer.turns.release()
        names = [name for name, _, _ in orders]
        unscored = [left for _, _, left in orders]
        assert names == ["partial"] * (len(names) - 1) + ["done"]
        assert len(names) > 2
        assert unscored == sorted(unscored, reverse=True)
        assert unscored[0] == 3
        assert unscored[-1] == 0
        assert orders[0][1] == [0, 1, 2, 3], "what is not scored keeps its order behind what is"
        assert orders[-1][1] == [3, 2, 1, 0]
        assert all(sorted(order) == [0, 1, 2, 3] for _, order, _ in orders)


def test_a_client_that_leaves_a_stream_ends_the_work() -> None:
    scorer = Stepwise()
    with running(state_for(scorer)) as server:
        scorer.turns.release()
        with streamed(server.port, {**BODY, "documents": [f"iron {i}" for i in range(50)]}) as events:
            assert next(events)[0] == "partial"
        waited_for(lambda: server.state.pool.loaded("overlap").load.pairs <= 2)  # type: ignore[union-attr]
        for _ in range(50):
            scorer.turns.release()
        assert len(scorer.calls) <= 5


def test_a_stream_is_refused_like_any_request() -> None:
    scorer = Overlap()
    scorer.gate.clear()
    with running(state_with({"overlap": scorer}, bounds=Bounds(pairs=2))) as server:
        with streamed_later(server.port) as first:
            waited_for(lambda: server.state.pool.loaded("overlap").load.pairs == 4)  # type: ignore[union-attr]
            refused = server.ask(OWN, BODY)
            scorer.gate.set()
            first.join(10)
        assert refused.status == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert server.ask(OWN, {**BODY, "documents": ["POISON"]}).status == 500


@contextmanager
def streamed_later(port: int) -> Iterator[threading.Thread]:
    def ask() -> None:
        with streamed(port, BODY) as events:
            assert [name for name, _ in events][-1] == "done"

    thread = threading.Thread(target=ask)
    thread.start()
    yield thread
    thread.join(10)


def test_what_fails_within_a_stream_is_its_last_event_and_stands_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Stepwise):
        def score(self, query: Query, documents: Sequence[Document]) -> Scores:
            scores = super().score(query, documents)
            values = scores.values
            if len(self.calls) > 2:  # another kind of score than before: the answer cannot be put together
                return Scores(values, next(kind for kind in type(scores.kind) if kind is not scores.kind), scores.step)
            return scores

    scorer = Failing()
    with running(state_for(scorer)) as server:
        scorer.turns.release()
        with streamed(server.port, BODY) as events:
            seen = []
            for event in events:
                seen.append(event)
                scorer.turns.release()
        assert seen[0][0] == "partial"
        assert seen[-1][0] == "error"
        assert seen[-1][1]["error"]["kind"] == "internal"
        assert b'shortlist_faults_total{fault="internal"} 1.0' in server.ask("/metrics").content
    assert [str(one.exc_info[1]) for one in caplog.records if one.exc_info] == [
        "one model gave scores of several kinds; they cannot be compared"
    ]


def test_a_stream_that_outlasts_the_time_to_end_says_so_in_its_last_event() -> None:
    scorer = Stepwise()
    state = state_with({"overlap": scorer}, settings=ServeSettings(batch_tokens=1, drain_s=1))
    with running(state) as server:
        scorer.turns.release()
        with streamed(server.port, BODY) as events:
            assert next(events)[0] == "partial"
            server.server.should_exit = True
            *_, (name, last) = events
        for _ in DOCUMENTS:
            scorer.turns.release()
    assert name == "error"
    assert last["error"]["kind"] == "unavailable"
    assert "ask again" in last["error"]["message"]
