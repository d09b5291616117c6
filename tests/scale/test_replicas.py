"""The server as replicas of Ray Serve on a real cluster of one node."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

pytest.importorskip("ray", reason="needs the extra ray")
pytest.importorskip("fastapi", reason="needs ray[serve]")

from shortlist.build.reranker import Reranker
from shortlist.scale.ray_serve import deployment

from .material import CROSS_ENCODER, ONE_CORE, WORDS

LEXICAL = "lexical:words"
PATIENCE_S = 300.0
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Ray's own
TEXTS = ["It is made of iron.", "It is 330 metres tall.", "Cats sleep."]


class Served:
    """Ray Serve on a free port of this machine."""

    def __init__(self) -> None:
        from ray import serve

        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.port = taken.getsockname()[1]
        serve.start(http_options={"host": "127.0.0.1", "port": self.port})

    def run(self, **chosen: Any) -> None:
        """Deploy, or roll out a change; returns when the new replicas answer."""
        from ray import serve

        serve.run(deployment(**chosen), name="shortlist", route_prefix="/")

    def ask(self, path: str, body: Mapping[str, Any] | None = None, *, model: str = "") -> dict[str, Any]:
        """Return an answer; anything but 200 is an error."""
        headers = {"Content-Type": "application/json"}
        if model:
            headers["serve_multiplexed_model_id"] = model
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", content, headers)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            found: dict[str, Any] = json.loads(answer.read())
            return found

    def loaded(self, model: str) -> set[str]:
        """Return what a replica has in memory, asked as for a model."""
        return {one["id"] for one in self.ask("/v1/models", model=model)["data"] if one["loaded"]}

    def replicas(self) -> int:
        """Return how many replicas run."""
        from ray import serve

        states = serve.status().applications["shortlist"].deployments["shortlist"].replica_states
        return int(states.get("RUNNING", 0))


@pytest.fixture
def served(node: None) -> Iterator[Served]:
    from ray import serve

    yield Served()
    serve.shutdown()


def waited_for(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.2)


def test_replicas_answer_as_the_plain_server_does(served: Served) -> None:
    served.run(settings={"model": CROSS_ENCODER, **ONE_CORE})
    body = {"query": "How tall is it?", "documents": TEXTS, "model": CROSS_ENCODER}
    found = served.ask("/v2/rerank", body)["results"]
    expected = Reranker(CROSS_ENCODER, **ONE_CORE).rank("How tall is it?", TEXTS)
    assert [TEXTS[one["index"]] for one in found] == [item.document.text for item in expected]


def test_a_request_goes_where_its_model_is_loaded(served: Served) -> None:
    served.run(
        settings=ONE_CORE,
        serving={"models": (LEXICAL, CROSS_ENCODER)},
        models_at_once=1,
        options={"num_replicas": 2},
    )

    def ask(model: str) -> dict[str, Any]:
        return served.ask("/v2/rerank", {"query": "how tall", "documents": TEXTS, "model": model}, model=model)

    ask(CROSS_ENCODER)  # one replica gives its first model up for it
    waited_for(lambda: all(served.loaded(model) == {model} for model in (LEXICAL, CROSS_ENCODER)))
    for _ in range(10):  # each finds its model loaded, so no replica has to exchange it
        for model in (LEXICAL, CROSS_ENCODER):
            ask(model)
            assert served.loaded(model) == {model}
    served.ask("/v2/rerank", {"query": "how tall", "documents": TEXTS, "model": CROSS_ENCODER})  # as from other clients


def test_a_change_is_rolled_out_without_losing_a_request(served: Served) -> None:
    def version(alias: str) -> dict[str, Any]:
        return {
            "settings": {"model": LEXICAL},
            "serving": {"aliases": {alias: LEXICAL}},
            "options": {"num_replicas": 2},
        }

    def aliases() -> list[str]:
        found: list[str] = served.ask("/v1/models")["data"][0]["aliases"]
        return found

    served.run(**version("old"))
    assert aliases() == ["old"]
    answered, lost, is_over = [0], list[str](), threading.Event()

    def keep_asking() -> None:
        while not is_over.is_set():
            try:
                served.ask("/v2/rerank", {"query": "how tall", "documents": TEXTS, "model": LEXICAL})
            except OSError as error:  # an HTTP status is one, too
                lost.append(repr(error))
            answered[0] += 1

    clients = [threading.Thread(target=keep_asking) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        served.run(**version("new"))
        waited_for(lambda: all(aliases() == ["new"] for _ in range(10)))
    finally:
        is_over.set()
        for client in clients:
            client.join()
    assert not lost
    assert answered[0] > 10


def test_waiting_tokens_bring_a_replica_and_their_end_takes_it_away(served: Served) -> None:
    served.run(
        settings={"model": CROSS_ENCODER, **ONE_CORE},
        serving={"max_wait_ms": 1e6},
        options={
            "autoscaling_config": {
                "min_replicas": 1,
                "max_replicas": 2,
                "metrics_interval_s": 0.5,
                "look_back_period_s": 2.0,
                "upscale_delay_s": 0.5,
                "downscale_delay_s": 1.0,
                "policy": {"policy_function": "shortlist.scale.ray_serve:replicas_for_tokens"},
            }
        },
    )
    assert served.replicas() == 1
    texts = [" ".join(WORDS[(place + step) % 12] for step in range(60)) + f" {place}" for place in range(900)]
    found: list[dict[str, Any]] = []
    body = {"query": "heat", "documents": texts, "model": CROSS_ENCODER}
    client = threading.Thread(target=lambda: found.append(served.ask("/v2/rerank", body)))
    client.start()
    waited_for(lambda: served.replicas() == 2)
    client.join()
    assert len(found[0]["results"]) == len(texts)
    waited_for(lambda: served.replicas() == 1)
