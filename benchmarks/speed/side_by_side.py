"""Rerank the same candidates with us and with our peers, on the same weights, in turns.

    PEERS_PYTHON -m benchmarks.speed.peers.prepare WEIGHTS FOLDER
    python -m benchmarks.speed.side_by_side FOLDER --peers-python PEERS_PYTHON --json side_by_side.json

Every system is a process of its own (`peers/`), ours too, called as its documentation calls it; one works while the
others wait. A request is one query with `--candidates` documents of about 60, 180 or 400 tokens, TREC DL 2019
passages joined and cut; no request is asked twice of a system, so no shape is warmer than in use. Before anything is
timed, all are compared with the logits of sentence-transformers in fp32. `--json` is added to when it is there, so
that a long run can be made in pieces, with the same systems on the same machine.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.progress import tell
from benchmarks.provenance import as_markdown, keep, provenance
from benchmarks.quality.collection import load_collection
from benchmarks.quality.tables import markdown
from benchmarks.speed.peers.systems import OURS, SYSTEMS
from benchmarks.speed.plots import save_lines
from benchmarks.speed.processes import Floats, Worker
from benchmarks.speed.roofline import Encoder, machine_rates
from benchmarks.speed.texts import Candidates, make_candidates, offsets_of
from shortlist.errors import InputError
from shortlist.evaluation.agreement import agreement

REFERENCE, BASELINE = "sentence-transformers fp32", "sentence-transformers openvino"
_TOKENIZER = "shortlist-minilm-l6"  # BERT's, as that of the weights
_PAUSE_S = 0.05  # until the threads of the one before have gone to sleep
Results = dict[str, Any]


def main(arguments: Sequence[str]) -> None:
    options = _options().parse_args(arguments)
    run = provenance("benchmarks.speed.side_by_side", arguments)
    found: Results = _earlier(options.json) or {"runs": [], "systems": {}, "calls": []}
    rates = machine_rates()
    with _started(options) as workers:
        for tokens in options.tokens:
            _compare(workers, tokens, found, options)
            found["calls"] += _timed(workers, tokens, len(found["runs"]), options)
    found["runs"].append({**run, "gflops": rates})
    keep(options.json, found)
    sys.stdout.write(report(found))
    if options.plot:
        _plot(found, options.plot)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="what `peers.prepare` wrote")
    parser.add_argument("--peers-python", default=sys.executable, help="the Python in which the peers are installed")
    parser.add_argument("--systems", nargs="+", choices=[*SYSTEMS], default=[*SYSTEMS])
    parser.add_argument("--tokens", nargs="+", type=int, default=(60, 180, 400), help="about so many a document")
    parser.add_argument("--candidates", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=240, help="for each length; at least two rounds are made")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file for all values, added to when it is there")
    parser.add_argument("--plot", type=Path, help="SVG file: pairs/s against length, with the rooflines")
    return parser


def _earlier(file: Path | None) -> Results | None:
    if file is None or not file.is_file():
        return None
    found: Results = json.loads(file.read_text(encoding="utf-8"))
    return found


@contextmanager
def _started(options: argparse.Namespace) -> Iterator[list[Worker]]:
    """Start the systems one after another, so that each one's cold start is its own."""
    workers: list[Worker] = []
    logs = Path(tempfile.mkdtemp(prefix="side-by-side-"))
    try:
        for name in options.systems:
            python = sys.executable if name.startswith(OURS) else options.peers_python
            worker = Worker(name, python, options.folder, log=logs / f"{name}.txt")
            try:
                worker.warm_up("how tall is it?", ["It is 330 m tall."])
            except InputError as error:
                tell(f"left out: {error}")
                worker.close()
                continue
            tell(f"{name}: {worker.version}, {worker.cold_start_s:.2f} s to the first score")
            workers.append(worker)
        if not workers:
            raise InputError("no system could be started")
        yield workers
    finally:
        for worker in workers:
            worker.close()


def _compare(workers: Sequence[Worker], tokens: int, found: Results, options: argparse.Namespace) -> None:
    """Warm everyone up on one request, and note how far their logits are from the reference's, or the first one's."""
    one = next(_requests(tokens, options, start=1_000_000))
    texts = [document.text for document in one.documents]
    reference: Floats | None = None
    for worker in sorted(workers, key=lambda worker: worker.name != REFERENCE):
        logits = _logits(worker.ask(one.query.text, texts).scores, worker.name)
        reference = logits if reference is None else reference
        agreed = agreement(logits.astype(np.float32), reference.astype(np.float32))
        system = found["systems"].setdefault(worker.name, {"version": worker.version, "cold_start_s": [], "far": {}})
        system["far"][str(tokens)] = {"tau": agreed.tau, "largest": float(np.abs(logits - reference).max())}
        if tokens == options.tokens[0]:
            system["cold_start_s"].append(worker.cold_start_s)


def _logits(scores: Floats, name: str) -> Floats:
    """Take back the sigmoid that most peers apply: to one label by their documentation; ours gives logits."""
    if name.startswith(OURS) or name == "fastembed":
        return scores
    inside = np.clip(scores, 1e-7, 1 - 1e-7)
    logits: Floats = np.log(inside / (1 - inside))
    return logits


def _timed(workers: Sequence[Worker], tokens: int, run: int, options: argparse.Namespace) -> list[Results]:
    until, calls = time.monotonic() + options.seconds, []
    encoder, offsets = Encoder.load(options.folder / "torch"), offsets_of(_TOKENIZER)
    for turn, one in enumerate(_requests(tokens, options, start=run * 1000)):
        if turn >= 2 and time.monotonic() > until:
            break
        first = turn % len(workers)
        texts = [document.text for document in one.documents]
        lengths = [min(512, len(offsets(one.query.text)) + len(offsets(text)) + 3) for text in texts]
        work = {"gflop": encoder.operations(lengths) / 1e9}
        work |= {"gflop_whole": encoder.operations(lengths, first_only=False) / 1e9}
        for worker in (*workers[first:], *workers[:first]):
            time.sleep(_PAUSE_S)
            answer = worker.ask(one.query.text, texts)
            calls.append(
                {"run": run, "turn": turn, "system": worker.name, "tokens": tokens, "pairs": len(texts)}
                | {"ms": answer.ms, "peak_mb": answer.peak_mb, **work}
            )
    tell(f"{tokens} tokens: {len(calls) // len(workers)} rounds")
    return calls


def _requests(tokens: int, options: argparse.Namespace, *, start: int) -> Iterator[Candidates]:
    """Make requests without end, never the same texts again; `start` keeps the runs apart."""
    collection = load_collection("trec_dl19")
    offsets = offsets_of(_TOKENIZER)
    for number in itertools.count(start):
        yield make_candidates(
            collection,
            collection.queries[number % len(collection.queries)],
            tokens=tokens,
            count=options.candidates,
            offsets=offsets,
            seed=options.seed + number,
        )


def report(found: Results) -> str:
    """Return the tables: pairs/s and latency by length, then memory, cold start and agreement."""
    last = found["runs"][-1]
    parts = ["# Side by side, the same weights\n", as_markdown(last)]
    rates = _rates(found)
    parts.append("Matrix products of this machine: " + ", ".join(f"{n} {r:.0f} GFLOP/s" for n, r in rates.items()))
    for tokens in dict.fromkeys(call["tokens"] for call in found["calls"]):
        parts += [f"\n## About {tokens} tokens a document\n", _lengths(found, tokens, rates)]
    return "\n".join([*parts, "\n## Around it\n", _around(found)])


def _lengths(found: Results, tokens: int, rates: Mapping[str, float]) -> str:
    """Return a length's table; shares count work executed: ours leaves the last layer's other positions out."""
    here = _at(found, tokens)
    by_system = {name: [c for c in here if c["system"] == name] for name in dict.fromkeys(c["system"] for c in here)}
    paces = {name: float(np.median([c["pairs"] / c["ms"] * 1000 for c in calls])) for name, calls in by_system.items()}
    unit = "bf16" if "bf16" in rates else "fp32"
    rows = []
    for name, calls in by_system.items():
        ratios = [f"{paces[name] / paces[one]:.2f}" if one in paces else "-" for one in (BASELINE, REFERENCE)]
        p50, p95 = (f"{np.quantile([call['ms'] for call in calls], share):.0f}" for share in (0.5, 0.95))
        kind = "gflop" if name.startswith(OURS) else "gflop_whole"
        rate = float(np.median([call[kind] / call["ms"] * 1000 for call in calls]))
        rows.append([name, str(len(calls)), f"{paces[name]:.0f}", *ratios, p50, p95, f"{rate / rates[unit]:.0%}"])
    pair = float(np.mean([call["gflop"] / call["pairs"] for call in here]))
    rows += [[f"roofline, {name}", "", f"{rate / pair:.0f}", "", "", "", "", ""] for name, rate in rates.items()]
    header = [
        "system",
        "calls",
        "pairs/s",
        f"x {BASELINE}",
        f"x {REFERENCE}",
        "P50 ms",
        "P95 ms",
        f"of the {unit} rate",
    ]
    return markdown(header, rows)


def _plot(found: Results, file: Path) -> None:
    lengths = sorted({call["tokens"] for call in found["calls"]})
    rates = _rates(found)
    lines, bounds = {}, {}
    for name in found["systems"]:
        of_one = [
            [c["pairs"] / c["ms"] * 1000 for c in _at(found, length) if c["system"] == name] for length in lengths
        ]
        lines[name] = [(float(x), float(np.median(paces))) for x, paces in zip(lengths, of_one, strict=True) if paces]
    work = [float(np.mean([c["gflop"] / c["pairs"] for c in _at(found, length)])) for length in lengths]
    for name, rate in rates.items():
        bounds[f"roofline, {name}"] = [(float(x), rate / pair) for x, pair in zip(lengths, work, strict=True)]
    highest = 1.5 * max(pace for line in lines.values() for _, pace in line)
    save_lines(file, lines, x="tokens of a document", y="pairs/s", bounds=bounds, highest=highest)


def _rates(found: Results) -> dict[str, float]:
    """Return the machine's rates, each the median of all runs."""
    runs = [run["gflops"] for run in found["runs"]]
    return {name: float(np.median([run[name] for run in runs])) for name in runs[-1]}


def _at(found: Results, tokens: int) -> list[Results]:
    return [call for call in found["calls"] if call["tokens"] == tokens]


def _around(found: Results) -> str:
    rows = []
    for name, system in found["systems"].items():
        peaks = [call["peak_mb"] for call in found["calls"] if call["system"] == name and call["peak_mb"]]
        far = [f"{one['tau']:.3f}, {one['largest']:.3f}" for one in system["far"].values()]
        cold = f"{np.median(system['cold_start_s']):.1f}"
        rows.append([name, system["version"], cold, f"{max(peaks, default=0):.0f}", "; ".join(far)])
    return markdown(
        ["system", "version", "cold start s", "peak MB", "tau and largest logit difference, by length"], rows
    )


if __name__ == "__main__":
    main(sys.argv[1:])
