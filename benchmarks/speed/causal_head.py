"""Time and weigh a causal reranker of Qwen3-Reranker-0.6B's shape with and without its two shortcuts.

    python -m benchmarks.speed.causal_head --json causal_head.json

The shortcuts: the query's prefix is read once instead of with every document, and the output matrix is two
rows instead of the vocabulary's 151,669. Weights are random (seeded), since neither speed nor memory depend on
them. The four contestants must agree on every score to the tolerance before anything is timed, and then take
turns. CPU seconds count all threads, and mean more than pairs/s on a machine that does other work. Memory is
the peak of the resident size during one call, above what it was before (Linux).
"""

from __future__ import annotations

import argparse
import ctypes
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import transformers

from benchmarks.progress import tell
from benchmarks.provenance import as_markdown, keep, provenance
from benchmarks.quality.tables import markdown
from shortlist.errors import ScoreError
from shortlist.inference.batches import pad, plan_batches
from shortlist.inference.engine import TOKEN_BUDGET
from shortlist.inference.session import Precision, Session
from shortlist.inference.tokens import Ids, ModelInput
from shortlist.inference.torch_answers import keep_answers
from shortlist.inference.torch_causal import CausalSession
from shortlist.inference.torch_device import Placement

YES, NO, VOCABULARY = 9693, 2152, 151_669
TOLERANCE = {Precision.FP32: 1e-3, Precision.BF16: 0.2}
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Figures:
    """One contestant: seconds and CPU seconds of each call, the peak above the resting memory in MB, its distance."""

    contestant: str
    seconds: list[float]
    cpu_seconds: list[float]
    peak_mb: float
    largest_difference: float


@dataclass(frozen=True, slots=True)
class Contestant:
    """A way to score the same pairs; `columns` are those of yes and no in the session's output."""

    name: str
    session: CausalSession
    columns: tuple[int, int]
    shares_prefix: bool

    def score(self, prefix: Ids, tails: Sequence[Ids]) -> Floats:
        """Return yes minus no, `[tails]`, in batches of the engine's token budget."""
        session: Session = self.session.after(prefix) if self.shares_prefix else self.session
        texts = tails if self.shares_prefix else [np.concatenate([prefix, tail]) for tail in tails]
        scores = np.empty(len(tails), np.float32)
        for places in plan_batches([len(text) for text in texts], token_budget=TOKEN_BUDGET):
            batch = pad([ModelInput(texts[p], len(texts[p])) for p in places], pad_id=0)
            logits = session.infer(batch)
            scores[places] = logits[:, self.columns[0]] - logits[:, self.columns[1]]
        return scores


def main(arguments: Sequence[str]) -> None:
    options = _options().parse_args(arguments)
    run = provenance("benchmarks.speed.causal_head", arguments)
    placement = Placement.choose("cpu", Precision(options.precision))
    rng = np.random.default_rng(options.seed)
    prefix = rng.integers(0, VOCABULARY, options.prefix_tokens).astype(np.int32)
    lengths = rng.integers(options.document_tokens * 3 // 4, options.document_tokens * 5 // 4 + 1, options.pairs)
    tails = [rng.integers(0, VOCABULARY, length).astype(np.int32) for length in lengths.tolist()]
    figures = _measured(_contestants(placement, options), prefix, tails, placement.precision, options.rounds)
    sys.stdout.write(_markdown(run, figures, options))
    keep(options.json, {**run, "figures": [asdict(f) for f in figures]})


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--prefix-tokens", type=int, default=90, help="template, instruction and query")
    parser.add_argument("--document-tokens", type=int, default=110, help="about so many a document, template included")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--layers", type=int, default=28)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file for all values")
    return parser


def _contestants(placement: Placement, options: argparse.Namespace) -> list[Contestant]:
    tell("drawing random weights")
    torch.manual_seed(options.seed)
    config = transformers.Qwen3Config(
        vocab_size=VOCABULARY,
        hidden_size=1024,
        intermediate_size=3072,
        num_hidden_layers=options.layers,
        num_attention_heads=16,
        num_key_value_heads=8,
        head_dim=128,
        max_position_embeddings=40960,
        tie_word_embeddings=True,
        dtype=placement.dtype,
    )
    whole = transformers.Qwen3ForCausalLM(config).to(placement.dtype).eval()
    with torch.device("meta"):
        rows = transformers.Qwen3ForCausalLM(config)
    rows.model, rows.lm_head = whole.model, whole.lm_head  # the same weights, until the head is cut
    keep_answers(rows, [YES, NO])
    vocabulary, two = (CausalSession(model.eval(), placement=placement) for model in (whole, rows))
    return [
        Contestant("whole vocabulary, prefix with every document", vocabulary, (YES, NO), False),
        Contestant("whole vocabulary, prefix once", vocabulary, (YES, NO), True),
        Contestant("two rows, prefix with every document", two, (0, 1), False),
        Contestant("two rows, prefix once (shipped)", two, (0, 1), True),
    ]


def _measured(
    contestants: Sequence[Contestant], prefix: Ids, tails: Sequence[Ids], precision: Precision, rounds: int
) -> list[Figures]:
    """Weigh and compare first, which is the warm-up too, then time in turns."""
    expected = contestants[0].score(prefix, tails)
    peaks, differences = [], []
    for one in contestants:
        before = _reset_peak()
        differences.append(float(np.abs(one.score(prefix, tails) - expected).max()))
        peaks.append(_memory_mb("VmHWM") - before)
        tell(f"{one.name}: {peaks[-1]:.0f} MB, largest difference {differences[-1]:.5f}")
        if differences[-1] > TOLERANCE[precision]:
            raise ScoreError(f"{one.name} differs from {contestants[0].name} by {differences[-1]:.4f}")
    taken: list[list[tuple[float, float]]] = [[] for _ in contestants]
    for turn in range(rounds):
        for place in range(len(contestants)):
            which = (place + turn) % len(contestants)
            began, cpu_began = time.perf_counter(), time.process_time()
            contestants[which].score(prefix, tails)
            taken[which].append((time.perf_counter() - began, time.process_time() - cpu_began))
            tell(f"round {turn + 1}: {contestants[which].name}: {taken[which][-1][0]:.1f} s")
    return [
        Figures(one.name, [wall for wall, _ in times], [cpu for _, cpu in times], peak, difference)
        for one, times, peak, difference in zip(contestants, taken, peaks, differences, strict=True)
    ]


def _reset_peak() -> float:
    """Set the peak of the resident size back to what it is now, less what earlier calls left; return it in MB."""
    ctypes.CDLL(None).malloc_trim(0)  # the allocator keeps freed memory, which would hide a later peak
    Path("/proc/self/clear_refs").write_text("5")
    return _memory_mb("VmRSS")


def _memory_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def _markdown(run: dict[str, Any], figures: Sequence[Figures], options: argparse.Namespace) -> str:
    rows = [
        [
            one.contestant,
            f"{options.pairs / float(np.median(one.seconds)):.2f}",
            f"{np.median(one.cpu_seconds) / options.pairs:.2f}",
            f"{np.median(figures[0].cpu_seconds) / np.median(one.cpu_seconds):.2f}",
            f"{one.peak_mb:.0f}",
            f"{one.largest_difference:.5f}",
        ]
        for one in figures
    ]
    header = ["contestant", "pairs/s", "CPU s a pair", "ratio of CPU", "peak MB above rest", "largest score difference"]
    setting = (
        f"{options.layers} layers of Qwen3-0.6B's shape in {options.precision}: {options.pairs} pairs, a prefix of"
        f" {options.prefix_tokens} tokens, documents of about {options.document_tokens}, {options.rounds} rounds.\n"
    )
    return "\n".join(["# The shortcuts of a causal reranker\n", as_markdown(run), setting, markdown(header, rows)])


if __name__ == "__main__":
    main(sys.argv[1:])
