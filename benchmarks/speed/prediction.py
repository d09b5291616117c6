"""Predicted against measured latency, at P50 and P95, of real candidates in several shapes.

    python -m benchmarks.speed.prediction --models shortlist-l6 all-minilm-l6-v2 --json predicted.json

Each model is calibrated on made-up texts, as `shortlist calibrate` does, and then scores real
passages (TREC DL 2019, joined and cut to length). Models and shapes take turns, so that a slow moment meets
all of them; the first rounds, in which the runtime meets shapes of batches for the first time, do not
count. The prediction is made from the texts alone, before any tokenizer saw them, as a budget makes
it. "From an index" are the same documents with the token ids and vectors that an index keeps.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.progress import Progress, tell
from benchmarks.provenance import as_markdown, keep, provenance
from benchmarks.quality.collection import load_collection
from benchmarks.quality.tables import markdown
from benchmarks.speed.texts import Candidates, make_candidates, offsets_of
from shortlist.build.calibration import store_of
from shortlist.build.models import load_model
from shortlist.evaluation.collection import drawn
from shortlist.planning.calibrate import Store, calibrate
from shortlist.planning.cost import CostModel
from shortlist.planning.lengths import pair_lengths
from shortlist.protocols import Scorer

SHAPES = ("10x60", "30x180", "50x60", "50x180", "10x400")


@dataclass(frozen=True, slots=True)
class Call:
    """One call: its model and shape, what was predicted of it, and what it took, in ms."""

    model: str
    shape: str
    p50_ms: float
    p95_ms: float
    latency_ms: float


@dataclass(frozen=True, slots=True)
class Contestant:
    """A model with its cost, for documents as they are or as a `store` makes them."""

    name: str
    scorer: Scorer
    cost: CostModel
    store: Store | None = None


def main(arguments: Sequence[str]) -> None:
    options = _options().parse_args(arguments)
    run = provenance("benchmarks.speed.prediction", arguments)
    contestants = [one for name in options.models for one in _contestants(name, options.calibrate)]
    calls = list(_calls(contestants, _texts(options), options))
    sys.stdout.write(f"# Predicted and measured latency\n\n{as_markdown(run)}\n{_table(calls)}")
    costs = {one.name: asdict(one.cost) for one in contestants}
    keep(options.json, {**run, "costs": costs, "calls": list(map(asdict, calls))})


def _contestants(name: str, seconds: float) -> Iterator[Contestant]:
    scorer = load_model(name)
    store = store_of(scorer)
    made = calibrate(scorer, seconds=seconds, store=store)
    tell(f"{name}: {made.calls} calls, held-out error {made.fit.error}")
    yield Contestant(name, scorer, made.fit.cost)
    if made.stored is not None:
        yield Contestant(f"{name}, from an index", scorer, made.stored.cost, store)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    models = ("shortlist-minilm-l6", "shortlist-l6", "all-minilm-l6-v2")
    parser.add_argument("--models", nargs="+", default=models)
    parser.add_argument("--shapes", nargs="+", default=SHAPES, help="candidates x tokens of a document")
    parser.add_argument("--rounds", type=int, default=40, help="calls for each model and shape")
    parser.add_argument("--warm", type=int, default=3, help="rounds before those that count")
    parser.add_argument("--calibrate", type=float, default=30, help="seconds for each model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file for all values")
    return parser


def _texts(options: argparse.Namespace) -> dict[str, list[Candidates]]:
    """Make each shape's candidates of as many queries as there are rounds, over again where there are fewer."""
    collection = load_collection("trec_dl19")
    offsets = offsets_of("all-minilm-l6-v2")
    queries = drawn(collection.queries, options.rounds, seed=options.seed)
    made = {}
    for shape in options.shapes:
        count, tokens = map(int, shape.split("x"))
        made[shape] = [
            make_candidates(collection, q, tokens=tokens, count=count, offsets=offsets, seed=options.seed)
            for q in queries
        ]
    return made


def _calls(
    contestants: Sequence[Contestant],
    texts: Mapping[str, Sequence[Candidates]],
    options: argparse.Namespace,
) -> Iterator[Call]:
    progress = Progress("scoring", options.warm + options.rounds, unit="rounds")
    for turn in range(-options.warm, options.rounds):
        for shape, candidates in texts.items():
            one = candidates[turn % len(candidates)]
            for contestant in contestants:
                documents = one.documents if contestant.store is None else list(map(contestant.store, one.documents))
                lengths = pair_lengths(one.query, documents)
                began = time.perf_counter()
                contestant.scorer.score(one.query, documents)
                latency = (time.perf_counter() - began) * 1000
                if turn >= 0:
                    cost = contestant.cost
                    yield Call(contestant.name, shape, cost.p50_ms(lengths), cost.p95_ms(lengths), latency)
        progress.step()


def _table(calls: Sequence[Call]) -> str:
    rows = []
    for model, shape in sorted({(call.model, call.shape) for call in calls}):
        here = [call for call in calls if (call.model, call.shape) == (model, shape)]
        measured = [float(np.quantile([call.latency_ms for call in here], share)) for share in (0.5, 0.95)]
        predicted = [float(np.median([getattr(call, name) for call in here])) for name in ("p50_ms", "p95_ms")]
        within = sum(call.latency_ms <= call.p95_ms for call in here) / len(here)
        cells = [
            cell
            for expected, found in zip(predicted, measured, strict=True)
            for cell in (f"{expected:.0f}", f"{found:.0f}", f"{expected / found - 1:+.0%}")
        ]
        rows.append([f"{model} {shape}", str(len(here)), *cells, f"{within:.0%}"])
    header = ["model, candidates x tokens", "calls", "P50 predicted", "measured", "off", "P95 predicted", "measured"]
    return markdown([*header, "off", "within P95"], rows)


if __name__ == "__main__":
    main(sys.argv[1:])
