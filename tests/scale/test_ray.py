"""Pairs on a real cluster of three raylets."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray", reason="needs the extra ray")

from shortlist.errors import InputError
from shortlist.scale.job import Job, in_process, scored_pairs
from shortlist.scale.ray_batch import on_ray

from .material import CROSS_ENCODER as MODEL
from .material import ONE_CORE, OPTIONS, rows, write_jsonl

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Ray's own


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
