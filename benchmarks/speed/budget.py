"""How often a budget is exceeded, by how much, and how much gets scored, alone and beside a competing load.

    python -m benchmarks.speed.budget --calibrate 30 --load alone competing --json budget.json

Each request reranks the published BM25 top candidates of a TREC DL 2019 query. Budgets take
turns, so that a slow moment meets all of them. "Late" is a request that took longer than
its budget by more than its own last chunk; the measured time is the caller's, from the
call to the ranking. A large budget gets fewer requests, so that none is given more than `--at-most` seconds
in all; the table says how many. The competing load is one process for each core that multiplies
matrices without a pause.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from benchmarks.progress import Progress
from benchmarks.provenance import as_markdown, keep, provenance
from benchmarks.quality.collection import load_collection
from benchmarks.quality.tables import markdown
from shortlist.build.models import load_model
from shortlist.inference.cores import usable_cores
from shortlist.pipeline import Budgeted, Level
from shortlist.planning.calibrate import calibrate, probe
from shortlist.protocols import Scorer
from shortlist.types import Deadline, Document, Query, Ranking, Scores

_COLLECTION = "trec_dl19"
ALONE, COMPETING = "alone", "competing"


@dataclass(frozen=True, slots=True)
class Request:
    """One request: its budget, what it took, what its last chunk took, and how many of how many were scored."""

    load: str
    budget_ms: float
    latency_ms: float
    last_chunk_ms: float
    scored: int
    candidates: int

    @property
    def is_late(self) -> bool:
        """Whether it was over its budget by more than one chunk."""
        return self.latency_ms - self.budget_ms > self.last_chunk_ms


class Watched:
    """A scorer that remembers what its last call took."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self.last_ms = 0.0

    @property
    def fingerprint(self) -> str:
        """The watched scorer's."""
        return self._scorer.fingerprint

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        """Score, and look at the clock."""
        began = time.perf_counter()
        scores = self._scorer.score(query, documents)
        self.last_ms = (time.perf_counter() - began) * 1000
        return scores


def main(arguments: Sequence[str]) -> None:
    options = _options().parse_args(arguments)
    run = provenance("benchmarks.speed.budget", arguments)
    scorer = Watched(load_model(options.model))
    cost = calibrate(scorer, seconds=options.calibrate).fit.cost if options.calibrate else probe(scorer)[0]
    budgeted = Budgeted([Level(scorer, cost, options.model)])
    requests: list[Request] = []
    for load in options.load:
        with _competing(usable_cores() if load == COMPETING else 0):
            requests += _requests(scorer, budgeted, load, options)
    sys.stdout.write(f"# Budgets kept, {options.model}\n\n{as_markdown(run)}\n{_table(requests)}")
    keep(options.json, {**run, "cost": asdict(cost), "requests": [asdict(request) for request in requests]})


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="shortlist-minilm-l6")
    parser.add_argument("--budgets", nargs="+", type=float, default=(20, 50, 100, 200, 500), help="in ms")
    parser.add_argument("--requests", type=int, default=1000, help="for each budget and load")
    parser.add_argument("--at-most", type=float, default=100, help="seconds that all requests of a budget may be given")
    parser.add_argument("--load", nargs="+", choices=(ALONE, COMPETING), default=(ALONE, COMPETING))
    parser.add_argument("--candidates", type=int, default=50)
    parser.add_argument("--calibrate", type=float, default=60, help="seconds of calibration; 0 only probes")
    parser.add_argument("--json", type=Path, help="file for all values")
    return parser


def _requests(scorer: Watched, budgeted: Budgeted, load: str, options: argparse.Namespace) -> Iterator[Request]:
    collection = load_collection(_COLLECTION)
    counts = {ms: min(options.requests, round(options.at_most * 1000 / ms)) for ms in options.budgets}
    progress = Progress(load, sum(counts.values()), unit="requests")
    for turn, query in enumerate(islice(cycle(collection.queries), max(counts.values()))):
        candidates = Ranking.in_order(query, collection.given(query, depth=options.candidates))
        for budget_ms in (ms for ms, count in counts.items() if _has_turn(turn, count, max(counts.values()))):
            scorer.last_ms = 0.0
            began = time.perf_counter()
            ranking = budgeted.rerank_within(candidates, deadline=Deadline.after(budget_ms))
            latency = (time.perf_counter() - began) * 1000
            scored = len(candidates) - ranking.unscored
            yield Request(load, budget_ms, latency, scorer.last_ms, scored, len(candidates))
            progress.step()


def _has_turn(turn: int, count: int, turns: int) -> bool:
    """Whether a budget with `count` requests has one in this turn, so that they spread evenly over all turns."""
    return (turn + 1) * count // turns > turn * count // turns


def _multiply() -> None:
    matrix = np.random.default_rng(0).normal(size=(512, 512)).astype(np.float32)
    while True:
        matrix = np.tanh(matrix @ matrix)


@contextmanager
def _competing(processes: int) -> Iterator[None]:
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"  # of the processes to come; this one's numpy is loaded
    running = [multiprocessing.get_context("spawn").Process(target=_multiply, daemon=True) for _ in range(processes)]
    for process in running:
        process.start()
    time.sleep(2 if running else 0)  # until they have imported what they need
    try:
        yield
    finally:
        for process in running:
            process.terminate()
            process.join()


def _table(requests: Sequence[Request]) -> str:
    rows = []
    for load, budget in dict.fromkeys((request.load, request.budget_ms) for request in requests):
        here = [request for request in requests if (request.load, request.budget_ms) == (load, budget)]
        latencies = [request.latency_ms for request in here]
        over = [request.latency_ms - budget for request in here if request.latency_ms > budget]
        rows.append(
            [
                load,
                f"{budget:g}",
                str(len(here)),
                f"{len(over) / len(here):.1%}",
                f"{sum(request.is_late for request in here) / len(here):.1%}",
                f"{max(over, default=0):.0f}",
                *(f"{np.quantile(latencies, share):.0f}" for share in (0.5, 0.95)),
                f"{np.mean([request.scored / request.candidates for request in here]):.0%}",
            ]
        )
    header = ["load", "budget ms", "requests", "over", "late", "most over, ms", "P50 ms", "P95 ms", "scored"]
    return markdown(header, rows)


if __name__ == "__main__":
    main(sys.argv[1:])
