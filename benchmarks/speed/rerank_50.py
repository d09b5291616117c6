"""Time one query with 50 candidates of about 60, 180 and 400 tokens, ours beside sentence-transformers.

    python -m benchmarks.speed.rerank_50 --model MODEL --reference FOLDER --json rerank_50.json

MODEL is ours (packaged name or folder), FOLDER the same weights as safetensors for
`sentence_transformers.CrossEncoder`. The texts are TREC DL 2019 passages joined and cut.
First every fp32 contestant's logits must agree with the reference's to 0.01; then the
contestants take turns, query by query and in another order each round, so that a noisy
machine is noisy for all. Tokenisation is timed too. Reported: P50 and P95 of the latency
of a query, pairs/s at the P50, and its ratio to the reference.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.progress import Progress, tell
from benchmarks.provenance import as_markdown, provenance
from benchmarks.quality.collection import load_collection, sample
from benchmarks.quality.tables import markdown
from benchmarks.speed.contestants import Contestant, OnePaddedBatch, Ours, SentenceTransformers
from benchmarks.speed.texts import Candidates, make_candidates, offsets_of
from benchmarks.variants import load_variants
from shortlist.errors import ScoreError

TOLERANCE = 0.01  # of fp32 logits; the packaged weights are stored in fp16, which explains about .002
_COLLECTION = "trec_dl19"


@dataclass(frozen=True, slots=True)
class Timing:
    """One contestant at one length: all latencies in the order they were taken, and its distance from the reference."""

    contestant: str
    tokens: int
    pairs: int
    latencies_ms: list[float]
    largest_difference: float

    def quantile_ms(self, share: float) -> float:
        """Return a quantile of the latencies."""
        return float(np.quantile(self.latencies_ms, share))

    @property
    def pairs_per_s(self) -> float:
        """How many pairs a second the median latency makes."""
        return self.pairs / self.quantile_ms(0.5) * 1000


def main(arguments: Sequence[str]) -> None:
    options = _options().parse_args(arguments)
    run = provenance("benchmarks.speed.rerank_50", arguments)
    contestants, skipped = _contestants(options)
    timings = []
    for tokens in options.tokens:
        candidates = _candidates(tokens, options)
        distances = _distances(contestants, candidates)
        timings += _timed(contestants, candidates, distances, rounds=options.rounds)
    sys.stdout.write(_markdown(run, timings, skipped, options))
    if options.json:
        values = {**run, "skipped": skipped, "timings": [asdict(timing) for timing in timings]}
        options.json.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="shortlist-minilm-l6", help="ours: packaged name or folder")
    parser.add_argument("--reference", type=Path, required=True, help="folder with the same weights as safetensors")
    parser.add_argument("--tokens", nargs="+", type=int, default=(60, 180, 400), help="about so many a document")
    parser.add_argument("--candidates", type=int, default=50)
    parser.add_argument("--queries", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--one-padded-batch", action="store_true", help="also run a model as FlashRank does")
    parser.add_argument("--json", type=Path, help="file for all values")
    return parser


def _contestants(options: argparse.Namespace) -> tuple[list[Contestant], dict[str, str]]:
    """Return the reference first, then all others, and what cannot run here."""
    variants, skipped = load_variants(options.model)
    contestants: list[Contestant] = [SentenceTransformers.load(options.reference)]
    contestants += [Ours(f"shortlist {variant.name}", variant.scorer) for variant in variants]
    if options.one_padded_batch:
        contestants.append(OnePaddedBatch.load(options.model))
    return contestants, skipped


def _candidates(tokens: int, options: argparse.Namespace) -> list[Candidates]:
    collection = load_collection(_COLLECTION)
    offsets = offsets_of(options.model)
    return [
        make_candidates(collection, query, tokens=tokens, count=options.candidates, offsets=offsets, seed=options.seed)
        for query in sample(collection.queries, options.queries, seed=options.seed)
    ]


def _distances(contestants: Sequence[Contestant], candidates: Sequence[Candidates]) -> dict[str, float]:
    """Compare everyone's logits with the reference's on the first query, which is the warm-up too.

    Raises ScoreError when an fp32 contestant is further off than TOLERANCE: it would not
    be the same model.
    """
    expected = contestants[0].score(candidates[0])
    distances = {c.name: float(np.abs(c.score(candidates[0]) - expected).max()) for c in contestants}
    for name, distance in distances.items():
        tell(f"{candidates[0].tokens} tokens, {name}: largest difference from the reference {distance:.5f}")
        if name.endswith("fp32") and distance > TOLERANCE:
            raise ScoreError(
                f"{name} differs from {contestants[0].name} by {distance:.4f}, over {TOLERANCE};"
                " --model and --reference must hold the same weights"
            )
    return distances


def _timed(
    contestants: Sequence[Contestant],
    candidates: Sequence[Candidates],
    distances: Mapping[str, float],
    *,
    rounds: int,
) -> list[Timing]:
    tokens, pairs = candidates[0].tokens, len(candidates[0].documents)
    latencies: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
    progress = Progress(f"{tokens} tokens", rounds * len(candidates) * len(contestants), unit="timings")
    for turn in range(rounds):
        first = turn % len(contestants)
        for one in candidates:
            for contestant in (*contestants[first:], *contestants[:first]):
                began = time.perf_counter()
                contestant.score(one)
                latencies[contestant.name].append((time.perf_counter() - began) * 1000)
                progress.step()
    return [Timing(name, tokens, pairs, taken, distances[name]) for name, taken in latencies.items()]


def _markdown(
    run: dict[str, Any], timings: Sequence[Timing], skipped: Mapping[str, str], options: argparse.Namespace
) -> str:
    parts = [f"# One query, {options.candidates} candidates\n", as_markdown(run)]
    parts += [f"Not run: {name}: {reason}\n" for name, reason in skipped.items()]
    for tokens in dict.fromkeys(timing.tokens for timing in timings):
        here = [timing for timing in timings if timing.tokens == tokens]
        parts.append(f"## About {tokens} tokens a document, {len(here[0].latencies_ms)} timings each\n")
        parts.append(_table(here))
    return "\n".join(parts)


def _table(timings: Sequence[Timing]) -> str:
    reference = timings[0]
    rows = [
        [
            timing.contestant,
            f"{timing.quantile_ms(0.5):.0f}",
            f"{timing.quantile_ms(0.95):.0f}",
            f"{timing.pairs_per_s:.1f}",
            f"{timing.pairs_per_s / reference.pairs_per_s:.2f}",
            f"{timing.largest_difference:.4f}",
        ]
        for timing in timings
    ]
    header = ["contestant", "P50 ms", "P95 ms", "pairs/s", "ratio", "largest logit difference"]
    return markdown(header, rows)


if __name__ == "__main__":
    main(sys.argv[1:])
