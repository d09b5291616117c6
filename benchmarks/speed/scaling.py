"""How the time of a request grows with its candidates and with their length.

    python -m benchmarks.speed.scaling FOLDER --plots docs/figures --json scaling.json

FOLDER is what `peers.prepare` wrote, or holds a model as `torch`. One system in a process of its own, as in
`side_by_side`; every call is of texts that it has not seen. The dashed line is the machine's rate of products in
bf16 (or fp32) for the same work. Padding is counted from the batches that the engine would plan.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.progress import tell
from benchmarks.provenance import as_markdown, keep, provenance
from benchmarks.quality.collection import load_collection
from benchmarks.quality.tables import markdown
from benchmarks.speed.peers.systems import OURS, SYSTEMS
from benchmarks.speed.plots import save_lines
from benchmarks.speed.processes import Worker
from benchmarks.speed.roofline import Encoder, machine_rates
from benchmarks.speed.texts import make_candidates, offsets_of
from shortlist.inference.batches import padded_length, plan_batches
from shortlist.inference.engine import TOKEN_BUDGET

_TOKENIZER = "shortlist-minilm-l6"
_STEP = 16  # OpenVINO's, see docs/speed.md


@dataclass(frozen=True, slots=True)
class Point:
    """Calls of one shape: what they took, the work in them, and which share of the tokens is padding."""

    candidates: int
    tokens: int
    ms: list[float]
    gflop: float
    padding: float


def main(arguments: Sequence[str]) -> None:
    options = _options().parse_args(arguments)
    run = provenance("benchmarks.speed.scaling", arguments)
    rates = machine_rates()
    rate = rates.get("bf16", rates["fp32"])
    with tempfile.TemporaryDirectory() as scratch:
        worker = Worker(options.system, sys.executable, options.folder, log=Path(scratch) / "log.txt")
        try:
            worker.warm_up("how tall is it?", ["It is 330 m tall."])
            by_candidates = list(_points(worker, [(count, 60) for count in options.candidates], options))
            by_length = list(_points(worker, [(50, tokens) for tokens in options.tokens], options))
        finally:
            worker.close()
    sys.stdout.write(f"# Scaling of {options.system}\n\n{as_markdown(run)}\n")
    sys.stdout.write(_table(by_candidates, rate) + "\n" + _table(by_length, rate))
    if options.plots:
        _plot(
            options.plots / "candidates.svg", by_candidates, [p.candidates for p in by_candidates], rate, "candidates"
        )
        _plot(options.plots / "length.svg", by_length, [p.tokens for p in by_length], rate, "tokens of a document")
    keep(options.json, {**run, "gflops": rates, "points": [asdict(point) for point in (*by_candidates, *by_length)]})


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--system", choices=[name for name in SYSTEMS if name.startswith(OURS)], default=f"{OURS} auto")
    parser.add_argument(
        "--candidates", nargs="+", type=int, default=(10, 20, 50, 100, 200, 500, 1000), help="of 60 tokens"
    )
    parser.add_argument(
        "--tokens", nargs="+", type=int, default=(16, 32, 64, 128, 256, 400, 490), help="of 50 candidates"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--plots", type=Path, help="folder for candidates.svg and length.svg")
    parser.add_argument("--json", type=Path, help="file for all values")
    return parser


def _points(worker: Worker, shapes: Sequence[tuple[int, int]], options: argparse.Namespace) -> Iterator[Point]:
    collection, offsets = load_collection("trec_dl19"), offsets_of(_TOKENIZER)
    encoder = Encoder.load(options.folder / "torch")
    for count, tokens in shapes:
        taken, work, padding = [], [], []
        for turn in range(options.rounds + 1):  # the first one is not timed
            query = collection.queries[turn % len(collection.queries)]
            one = make_candidates(collection, query, tokens=tokens, count=count, offsets=offsets, seed=turn)
            texts = [document.text for document in one.documents]
            lengths = [min(512, len(offsets(query.text)) + len(offsets(text)) + 3) for text in texts]
            answer = worker.ask(query.text, texts)
            if turn:
                taken.append(answer.ms)
                work.append(encoder.operations(lengths) / 1e9)
                padding.append(_padding(lengths))
        tell(f"{count} candidates of {tokens} tokens: {np.median(taken):.0f} ms")
        yield Point(count, tokens, taken, float(np.mean(work)), float(np.mean(padding)))


def _padding(lengths: Sequence[int]) -> float:
    """Return the share of padded positions among all that are computed."""
    plan = plan_batches(lengths, token_budget=TOKEN_BUDGET, length_step=_STEP)
    computed = sum(len(places) * padded_length(max(lengths[p] for p in places), _STEP) for places in plan)
    return 1 - sum(lengths) / computed


def _table(points: Sequence[Point], rate: float) -> str:
    rows = [
        [
            str(point.candidates),
            str(point.tokens),
            *(f"{np.quantile(point.ms, share):.0f}" for share in (0.5, 0.95)),
            f"{np.median(point.ms) / point.gflop:.2f}",
            f"{point.gflop / np.median(point.ms) * 1000 / rate:.0%}",
            f"{point.padding:.1%}",
        ]
        for point in points
    ]
    header = ["candidates", "tokens", "P50 ms", "P95 ms", "ms a GFLOP", "of the machine's rate", "padding"]
    return markdown(header, rows)


def _plot(file: Path, points: Sequence[Point], places: Sequence[int], rate: float, what: str) -> None:
    lines = {"P50": [(float(x), float(np.median(point.ms))) for x, point in zip(places, points, strict=True)]}
    bound = [(float(x), point.gflop / rate * 1000) for x, point in zip(places, points, strict=True)]
    save_lines(file, lines, x=what, y="ms", bounds={"roofline (products alone)": bound})


if __name__ == "__main__":
    main(sys.argv[1:])
