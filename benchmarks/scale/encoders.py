"""Texts a second of two bi-encoders, in turns on the same texts: what static embeddings save.

    python -m benchmarks.scale.encoders --texts Packages table.tsv --encoders all-minilm-l6-v2 static-256

Each round encodes a batch that no encoder has seen, first with the one and then with the other; rates are medians of
the rounds, and the ratio is that of each round. From the slower rate follows how long a million texts would take.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path

from benchmarks.provenance import as_markdown, provenance
from benchmarks.scale.texts import documents
from shortlist.inference.biencoder import BiEncoder
from shortlist.protocols import Role


def rates(encoders: list[BiEncoder], texts: list[str], *, rounds: int) -> list[list[float]]:
    """Return texts a second, `[rounds][encoders]`; a first round warms up and does not count."""
    batch = len(texts) // (rounds + 1)
    found = []
    for number in range(rounds + 1):
        chosen = texts[number * batch : (number + 1) * batch]
        row = []
        for encoder in encoders:
            began = time.perf_counter()
            encoder.encode(chosen, role=Role.DOCUMENT)
            row.append(len(chosen) / (time.perf_counter() - began))
        found.append(row)
    return found[1:]


def main() -> None:
    """Read the command line, encode in turns, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path, nargs="+", required=True)
    parser.add_argument("--encoders", nargs=2, required=True, metavar="NAME")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=512)
    options = parser.parse_args()
    texts = [one.text for one in documents(options.texts, (options.rounds + 1) * options.batch)]
    with ExitStack() as opened:
        encoders = [opened.enter_context(closing(BiEncoder.load(name))) for name in options.encoders]
        found = rates(encoders, texts, rounds=options.rounds)
    lines = ["| encoder | texts/s | hours a million |", "|---|---:|---:|"]
    for place, name in enumerate(options.encoders):
        rate = statistics.median(row[place] for row in found)
        lines.append(f"| {Path(name).name} | {rate:.0f} | {1e6 / rate / 3600:.2f} |")
    ratios = sorted(second / first for first, second in found)
    said = f"the second is {statistics.median(ratios):.1f} times as fast ({ratios[0]:.1f} to {ratios[-1]:.1f})"
    words = statistics.mean(len(text.split()) for text in texts)
    origin = as_markdown(provenance("benchmarks.scale.encoders", sys.argv[1:]))
    sys.stdout.write("\n".join([*lines, "", f"{said}; texts of {words:.0f} words in the mean", "", origin]) + "\n")


if __name__ == "__main__":
    main()
