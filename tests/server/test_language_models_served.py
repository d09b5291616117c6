"""Language models behind the server: named like every model, and nobody waits for them who asks another one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from llm.endpoints import Loopback, Reply, listening, ok
from shortlist.server.loading import pool_of
from shortlist.server.metrics import Metrics
from shortlist.server.run import hidden_of
from shortlist.server.settings import ServeSettings
from shortlist.server.state import State
from shortlist.settings import Settings

from .running import Running, running

pytest.importorskip("openai")

LISTWISE = "llm-listwise:m[window=3,step=1]"
NOBODY = "http://127.0.0.1:9/v1"
TEXTS = ["iron", "a tall tower", "cats"]


@contextmanager
def serving(
    address: str, *, models: tuple[str, ...] = ("lexical:words", LISTWISE), fallback: tuple[str, ...] = ()
) -> Iterator[Running]:
    """Serve models, language models on a server of theirs."""
    serve, metrics = ServeSettings(models=models), Metrics()
    settings = Settings(llm_server=address, fallback=fallback)
    state = State(serve, pool_of(settings, serve, metrics), metrics, fallback=fallback, hidden=hidden_of(settings))
    with running(state) as server:
        yield server


def asked(model: str) -> dict[str, object]:
    return {"model": model, "query": "tall tower", "documents": TEXTS}


def test_others_are_answered_and_a_deadline_is_kept_while_a_language_model_thinks() -> None:
    others_are_answered = threading.Event()

    def slow(_: int) -> Reply:
        assert others_are_answered.wait(60)
        return ok("[2] > [1] > [3]")

    loopback = Loopback(slow)
    with listening(loopback) as address, serving(address) as server, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(server.ask, "/v1/rerank", asked(LISTWISE))
        lexical = server.ask("/v1/rerank", asked("lexical:words"))
        late = server.ask("/v1/rerank", asked(LISTWISE), headers={"X-Shortlist-Budget-Ms": "50"})
        assert not waiting.done()
        others_are_answered.set()
        answer = waiting.result()
        metrics = server.ask("/metrics").content.decode()
    assert lexical.json["results"][0]["index"] == 1
    assert "0 of 3 candidates were scored" in late.headers["x-shortlist-degraded"]
    assert [one["index"] for one in answer.json["results"]] == [1, 0, 2]
    assert answer.headers["x-shortlist-model"] == LISTWISE
    assert answer.json["usage"]["total_tokens"] == 10
    assert "shortlist_tokens_total" in metrics


def test_a_language_model_that_fails_hands_over_to_the_fallback() -> None:
    with serving(NOBODY, fallback=("lexical:words",)) as server:
        answer = server.ask("/v1/rerank", asked(LISTWISE))
    assert answer.json["results"][0]["index"] == 1
    assert answer.headers["x-shortlist-model"] == "lexical:words"
    assert "GenerationError" in answer.headers["x-shortlist-degraded"]


@pytest.mark.parametrize("fallback", [("lexical:words",), ()])
def test_where_a_language_model_runs_is_logged_and_not_told_to_clients(
    fallback: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    body = {"model": LISTWISE, "query": "tall tower", "documents": TEXTS}
    with caplog.at_level(logging.INFO, "shortlist.server"), serving(NOBODY, fallback=fallback) as server:
        answer = server.ask("/shortlist/v1/rerank", body)
    shown = answer.headers.get("x-shortlist-degraded", "") + answer.content.decode()
    assert answer.status == (200 if fallback else 503)
    assert NOBODY not in shown
    assert "m@its server did not answer" in shown if fallback else "the server's log has the rest" in shown
    assert any(NOBODY in f"{record.exc_info} {getattr(record, 'facts', {})}" for record in caplog.records)


def test_the_trace_of_a_language_model_that_answers_does_not_say_where_it_runs() -> None:
    loopback = Loopback(lambda _: ok("[2] > [1] > [3]"))
    with listening(loopback) as address, serving(address) as server:
        answer = server.ask("/shortlist/v1/rerank", {"model": LISTWISE, "query": "tall tower", "documents": TEXTS})
    assert loopback.bodies
    assert address not in answer.content.decode()
    assert [step["facts"]["model"] for step in answer.json["trace"] if "model" in step["facts"]] == ["m@its server"]


def test_a_language_model_that_keeps_failing_is_left_alone_for_a_while() -> None:
    loopback = Loopback(lambda _: (401, {}, b"{}"))
    with listening(loopback) as address, serving(address, fallback=("lexical:words",)) as server:
        answers = [server.ask("/v1/rerank", asked(LISTWISE)) for _ in range(7)]
    assert all(answer.headers["x-shortlist-model"] == "lexical:words" for answer in answers)
    assert "is not asked" in answers[-1].headers["x-shortlist-degraded"]
    assert len(loopback.bodies) == 5


@pytest.mark.parametrize("of_an_order", [LISTWISE, "llm-listwise:m[permutations=2]"])
def test_an_order_gives_pairs_no_scores_and_cannot_be_explained(of_an_order: str) -> None:
    with listening(Loopback(lambda _: ok("[1] > [2]"))) as address, serving(address, models=(of_an_order,)) as server:
        predicted = server.ask("/predict", {"inputs": [["tall tower", "iron"], ["tall tower", "a tall tower"]]})
        explained = server.ask("/shortlist/v1/explain", {"query": "tall tower", "documents": ["a tall tower"]})
    assert (predicted.status, "gives an order" in predicted.json["error"]) == (422, True)
    assert (explained.status, "gives an order" in str(explained.json)) == (400, True)
