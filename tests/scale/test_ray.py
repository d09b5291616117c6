"""On a real cluster of three raylets. Each must start within Ray's 30 s, so these need a machine that is not busy."""

from __future__ import annotations

import json
import os
import socket
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
ray = pytest.importorskip("ray", reason="needs the extra ray")

from shortlist.errors import InputError
from shortlist.scale.job import Job, in_process, scored_pairs
from shortlist.scale.ray_batch import on_ray

from .material import rows, write_jsonl

MODEL = "shortlist-minilm-l6"
OPTIONS: dict[str, Any] = {"engine": "onnxruntime", "precision": "fp32"}
ONE_CORE: dict[str, Any] = {**OPTIONS, "threads": 1}
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Ray's own


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head and two nodes with one core each: three raylets, as on three machines."""
    from ray.cluster_utils import Cluster

    small = {"object_store_memory": 100 * 2**20}
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, **small})
    made.nodes = [made.add_node(num_cpus=1, **small) for _ in range(2)]
    ray.init(address=made.address, logging_level="ERROR")
    yield made
    ray.shutdown()
    made.shutdown()


def test_a_cluster_gives_the_scores_of_a_single_process(cluster: Any, tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "pairs.jsonl", rows(120))
    Job(file, tmp_path / "here", MODEL, ONE_CORE, rows=15).run(in_process(MODEL, ONE_CORE))
    done = Job(file, tmp_path / "there", MODEL, OPTIONS, rows=15).run(on_ray(MODEL, OPTIONS, workers=2))
    assert done.pairs == 120
    assert list(scored_pairs(tmp_path / "there")) == list(scored_pairs(tmp_path / "here"))  # to the last bit


def test_a_node_that_is_killed_loses_nothing(cluster: Any, tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "pairs.jsonl", rows(400))
    job = Job(file, tmp_path / "there", MODEL, OPTIONS, rows=10)
    killed = threading.Event()

    def watch(done: int, total: int) -> None:
        if done == 8 and not killed.is_set():
            killed.set()
            cluster.remove_node(cluster.nodes.pop(), allow_graceful=False)

    job.run(on_ray(MODEL, OPTIONS, workers=2), watch=watch)
    assert killed.is_set()
    Job(file, tmp_path / "here", MODEL, ONE_CORE, rows=10).run(in_process(MODEL, ONE_CORE))
    assert list(scored_pairs(tmp_path / "there")) == list(scored_pairs(tmp_path / "here"))


def test_a_bad_pair_is_the_same_error_as_in_one_process(cluster: Any, tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text('{"query": "a", "text": "b"}\n{"query": "a"}\n')
    with pytest.raises(InputError, match="row 2: 'text' must be a text"):
        Job(file, tmp_path / "out", MODEL, OPTIONS, rows=1).run(on_ray(MODEL, OPTIONS, workers=1))


def test_replicas_answer_as_the_plain_server_does(cluster: Any) -> None:
    pytest.importorskip("fastapi", reason="needs ray[serve]")
    from ray import serve

    from shortlist.build import Reranker
    from shortlist.scale.ray_serve import deployment

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run(deployment(settings={"model": MODEL, **ONE_CORE}), name="shortlist", route_prefix="/")
    try:
        texts = ["It is made of iron.", "It is 330 metres tall.", "Cats sleep."]
        body = json.dumps({"query": "How tall is it?", "documents": texts, "model": MODEL}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/v2/rerank", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.loads(answer.read())["results"]
        expected = Reranker(MODEL, **ONE_CORE).rank("How tall is it?", texts)
        assert [texts[one["index"]] for one in found] == [item.document.text for item in expected]
    finally:
        serve.shutdown()
