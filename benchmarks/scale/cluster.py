"""Ray on this machine: what it costs against the plain process, and what a second worker brings.

    python -m benchmarks.scale.cluster --json cluster.json

Batch: pairs a second of one process with one thread, of one worker with one core, of two workers with one core each, on
a cluster of three raylets; starting the cluster is not counted, loading the model is. Requests: latency of the plain
server and of one replica behind Serve's proxy, one client, the same request, in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.progress import tell
from benchmarks.provenance import as_markdown, keep, provenance
from shortlist.scale.job import Job, Runner, in_process, scored_pairs
from shortlist.scale.ray_batch import on_ray

OPTIONS: dict[str, Any] = {"engine": "onnxruntime", "precision": "fp32"}
WORDS = ("heat", "exchanger", "reactor", "lift", "drag", "swept", "wings", "boundary", "layers", "speed", "flow", "the")


def pairs_file(folder: Path, count: int) -> Path:
    """Write made pairs of about 60 words: only their lengths matter here."""
    chance = np.random.default_rng(0)
    rows = [
        {
            "query_id": str(i // 50),
            "query": " ".join(chance.choice(WORDS, 6)),
            "doc_id": str(i),
            "text": " ".join(chance.choice(WORDS, int(chance.integers(40, 80)))),
        }
        for i in range(count)
    ]
    for row in rows:  # one query has one text
        row["query"] = rows[int(row["query_id"]) * 50]["query"]
    file = folder / "pairs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def batch(model: str, count: int, part: int) -> dict[str, float]:
    """Return pairs a second of each way, after checking that the scores are the same."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        file = pairs_file(Path(scratch), count)
        ways: dict[str, Runner] = {
            "one process, one thread": in_process(model, {**OPTIONS, "threads": 1}),
            "one worker of one core": on_ray(model, OPTIONS, workers=1),
            "two workers of one core": on_ray(model, OPTIONS, workers=2),
        }
        scores = []
        for number, (name, runner) in enumerate(ways.items()):
            tell(name)
            began = time.perf_counter()
            Job(file, Path(scratch) / str(number), model, OPTIONS, rows=part).run(runner)
            found[name] = count / (time.perf_counter() - began)
            scores.append(list(scored_pairs(Path(scratch) / str(number))))
        if any(one != scores[0] for one in scores):
            sys.exit("the scores of a cluster are not those of a single process")
    return found


def requests(model: str, count: int) -> dict[str, dict[str, float]]:
    """Return P50 and P95 in ms of the plain server and of a replica, asked in turn."""
    from ray import serve

    from shortlist.scale.ray_serve import deployment

    environ = {**os.environ, "SHORTLIST_ENGINE": "onnxruntime", "SHORTLIST_THREADS": "1"}
    main = "from shortlist.cli import main; main()"
    command = [sys.executable, "-c", main, "serve", "--model", model, "--port", "8791"]
    serve.start(http_options={"host": "127.0.0.1", "port": 8792})
    serve.run(deployment(settings={**OPTIONS, "model": model, "threads": 1}), name="shortlist", route_prefix="/")
    with subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL) as plain:
        try:
            took: dict[str, list[float]] = {"plain server": [], "one replica of Ray Serve": []}
            addresses = dict(zip(took, ("http://127.0.0.1:8791", "http://127.0.0.1:8792"), strict=True))
            for address in addresses.values():
                _until_ready(address)
            for number in range(count):
                for name, address in addresses.items():
                    began = time.perf_counter()
                    _ask(address, number)
                    took[name].append((time.perf_counter() - began) * 1e3)
        finally:
            plain.terminate()
            serve.shutdown()
    kept = {name: np.array(values[5:]) for name, values in took.items()}
    return {name: {"p50_ms": float(np.median(v)), "p95_ms": float(np.percentile(v, 95))} for name, v in kept.items()}


def _ask(address: str, number: int) -> None:
    body = json.dumps({"query": f"swept wing {number}", "documents": [" ".join(WORDS)] * 2}).encode()
    request = urllib.request.Request(f"{address}/v1/rerank", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()


def _until_ready(address: str) -> None:
    for _ in range(600):
        if _is_ready(address):
            return
        time.sleep(0.1)
    sys.exit(f"{address} did not become ready")


def _is_ready(address: str) -> bool:
    try:
        urllib.request.urlopen(f"{address}/ready", timeout=5).close()
    except OSError:
        return False
    return True


def on_cluster(measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Measure on a cluster of a head and two nodes with a core each."""
    import ray
    from ray.cluster_utils import Cluster

    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_raylet_start_wait_time_s": "180"}
    small = {"object_store_memory": 100 * 2**20}
    tell("starting three raylets")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, **small})
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1, **small)
        ray.init(address=cluster.address, logging_level="ERROR")
        return measure()
    finally:
        ray.shutdown()
        cluster.shutdown()


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="shortlist-minilm-l6")
    parser.add_argument("--pairs", type=int, default=1500)
    parser.add_argument("--part", type=int, default=50)
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = on_cluster(
        lambda: {
            "pairs_per_s": batch(options.model, options.pairs, options.part),
            "requests": requests(options.model, options.requests),
        }
    )
    for name, speed in found["pairs_per_s"].items():
        sys.stdout.write(f"{name}: {speed:.1f} pairs/s\n")
    for name, one in found["requests"].items():
        sys.stdout.write(f"{name}: P50 {one['p50_ms']:.1f} ms, P95 {one['p95_ms']:.1f} ms\n")
    origin = provenance("benchmarks.scale.cluster", sys.argv[1:])
    sys.stdout.write(f"\n{as_markdown(origin)}\ncores: {len(os.sched_getaffinity(0))}\n")
    keep(options.json, {"provenance": origin, **found})


if __name__ == "__main__":
    main()
