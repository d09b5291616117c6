"""How long the packaged models take by depth: the latencies of the table in `docs/choosing.md`.

    python -m benchmarks.speed.choosing --json docs/figures/choosing.json

Real passages (TREC DL 2019, joined and cut to length), one query a call. Models and depths take turns, so that a slow
moment meets all of them; the first round is not counted.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.progress import Progress
from benchmarks.provenance import keep, provenance, weights_of
from benchmarks.quality.collection import load_collection
from benchmarks.speed.texts import make_candidates, offsets_of
from shortlist.build.models import load_model
from shortlist.evaluation.collection import drawn
from shortlist.inference.cores import usable_cores
from shortlist.protocols import Scorer

MODELS = ("all-minilm-l6-v2", "shortlist-minilm-l6", "shortlist-l6")


def main(arguments: Sequence[str]) -> None:
    options = _options().parse_args(arguments)
    scorers = {f"{name} {engine}": load_model(name, engine=engine) for engine in options.engines for name in MODELS}
    taken = _latencies(scorers, options)
    rows = [
        {
            "model": model,
            "engine": engine,
            "depth": depth,
            "p50_ms": _quantile(values, 0.5),
            "p95_ms": _quantile(values, 0.95),
        }
        for (key, depth), values in sorted(taken.items())
        for model, engine in [key.split(" ")]
    ]
    run = provenance("benchmarks.speed.choosing", arguments)
    about = {"cores": usable_cores(), "tokens": options.tokens, "calls": options.rounds, "weights": weights_of(MODELS)}
    keep(options.json, {"run": run, **about, "rows": rows})


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", nargs="+", default=["onnxruntime", "openvino"])
    parser.add_argument("--depths", nargs="+", type=int, default=[10, 20, 50, 100])
    parser.add_argument("--tokens", type=int, default=180, help="about how long a document is")
    parser.add_argument("--rounds", type=int, default=20, help="calls that are counted, for each model and depth")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, required=True, help="where the rows are kept")
    return parser


def _latencies(scorers: dict[str, Scorer], options: argparse.Namespace) -> dict[tuple[str, int], list[float]]:
    collection = load_collection("trec_dl19")
    offsets = offsets_of(MODELS[0])
    queries = drawn(collection.queries, options.rounds + 1, seed=options.seed)
    deepest = max(options.depths)
    taken: dict[tuple[str, int], list[float]] = defaultdict(list)
    progress = Progress("scoring", len(queries), unit="rounds")
    for turn, query in enumerate(queries):
        given = make_candidates(
            collection, query, tokens=options.tokens, count=deepest, offsets=offsets, seed=options.seed
        )
        for name, scorer in scorers.items():
            for depth in options.depths:
                began = time.perf_counter()
                scorer.score(query, given.documents[:depth])
                if turn:
                    taken[name, depth].append((time.perf_counter() - began) * 1000)
        progress.step()
    return taken


def _quantile(values: Sequence[float], share: float) -> int:
    return round(float(np.quantile(values, share)))


if __name__ == "__main__":
    main(sys.argv[1:])
