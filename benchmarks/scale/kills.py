"""Kill -9 at random moments of indexing, updating and optimising; then look for what was acknowledged.

A writer in a process of its own says every call before it makes it and after it has returned. It is killed at
a random moment. Then the index is opened by a writer (which repairs it) and compared with what the killed one
had said: every acknowledged document must be there once, in the version that was acknowledged last, for
BM25 and for vectors; of the call in flight all or nothing. The next writer goes on from there.

    python -m benchmarks.scale.kills --kills 100 --json kills.json
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.progress import Progress
from benchmarks.provenance import keep, provenance
from shortlist.protocols import Role, Vectors
from shortlist.retrieval import Index
from shortlist.types import Document

PHASES = ("indexing", "updating", "optimising")
BATCH = 100
DIMENSION = 32
_DOCUMENTS_AT_MOST = 6000


class Hashing:
    """A vector of a text without a model: a seeded direction, so that equal texts have equal vectors."""

    fingerprint, dimension = "hashing", DIMENSION

    def encode(self, texts: Sequence[str], *, role: Role) -> Vectors:
        """Return unit vectors."""
        rows = [np.random.default_rng(abs(hash_of(text))).standard_normal(DIMENSION) for text in texts]
        vectors = np.array(rows, np.float32).reshape(-1, DIMENSION)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors


def hash_of(text: str) -> int:
    return int.from_bytes(text.encode()[-8:], "big") + len(text)


@dataclass
class Ledger:
    """What the writers have said: the version of every acknowledged document, and the call in flight."""

    versions: dict[str, int] = field(default_factory=dict)
    pending: dict[str, int] = field(default_factory=dict)

    def hear(self, line: str) -> None:
        """Take in a writer's line."""
        word, _, rest = line.strip().partition(" ")
        if word == "writing":
            self.pending = dict(json.loads(rest))
        elif word == "written":
            self.versions |= self.pending
            self.pending = {}


@dataclass
class Tally:
    """Of one phase: kills, what the call in flight became, repairs, and what must stay 0."""

    kills: int = 0
    in_flight: int = 0
    in_flight_kept: int = 0
    repaired: int = 0
    lost: int = 0
    doubled: int = 0
    stale: int = 0
    torn: int = 0
    reopen_s: list[float] = field(default_factory=list)


def write(folder: Path, phase: str, start: int, known: int) -> None:
    """Write for ever, as the phase says; run in a process of its own."""
    opening = Index.open if (folder / "documents.sqlite").exists() else Index.create
    with opening(folder, encoder=Hashing()) as index:
        chance, version = random.Random(start), start
        say("open")
        while True:
            version += 1
            if phase == "indexing":
                ids = [f"d{known + i}" for i in range(BATCH)]
                known += BATCH
            else:
                ids = [f"d{i}" for i in sorted(chance.sample(range(known), min(known, BATCH)))]
            say("writing", json.dumps([(doc_id, version) for doc_id in ids]))
            index.upsert([Document(f"shared {doc_id} version{version}", doc_id) for doc_id in ids])
            say("written")
            if phase == "optimising":
                say("optimising")
                index.optimize()


def say(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


def kill(folder: Path, phase: str, ledger: Ledger, version: int, chance: random.Random) -> None:
    """Start a writer, and kill it at a random moment after so many of its words."""
    command = [sys.executable, "-m", "benchmarks.scale.kills", "--write", str(folder), phase, str(version)]
    with subprocess.Popen([*command, str(len(ledger.versions))], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        left = chance.randint(1, 12)
        for line in process.stdout:
            ledger.hear(line)
            left -= 1
            if left <= 0 and (phase != "optimising" or line.startswith("optimising")):
                break
        time.sleep(chance.random() * chance.choice((0.002, 0.02, 0.2)))
        process.kill()
        for line in process.stdout:
            ledger.hear(line)
    if process.returncode != -9:
        raise RuntimeError(f"the writer ended by itself with {process.returncode}")


def check(folder: Path, ledger: Ledger, tally: Tally) -> None:
    """Open the index and compare it with the ledger, which then holds what is there."""
    began = time.perf_counter()
    with Index.open(folder, encoder=Hashing()) as index:
        tally.reopen_s.append(time.perf_counter() - began)
        tally.kills += 1
        tally.repaired += bool(index.recovery)
        there = {row.document.doc_id: int(row.document.text.rsplit("version", 1)[1]) for row in index.rows()}
        words = Counter(d.doc_id for d, _ in index.search_text("shared", depth=index.count() + 50).hits)
        query = Hashing().encode(["any"], role=Role.QUERY)[0]
        vectors = Counter(d.doc_id for d, _ in index.search_vector(query, depth=index.count() + 50).hits)
    kept = [doc_id for doc_id, version in ledger.pending.items() if there.get(doc_id) == version]
    tally.in_flight += bool(ledger.pending)
    tally.in_flight_kept += bool(kept)
    tally.torn += 0 < len(kept) < len(ledger.pending)
    wanted = ledger.versions | (ledger.pending if kept else {})
    tally.lost += sum(doc_id not in there or not words[doc_id] or not vectors[doc_id] for doc_id in wanted)
    tally.stale += sum(there.get(doc_id, version) != version for doc_id, version in wanted.items())
    tally.doubled += sum(count > 1 for found in (words, vectors) for count in found.values())
    tally.doubled += len(there.keys() - wanted.keys())
    ledger.versions, ledger.pending = dict(there), {}


def run(kills: int, seed: int, watch: Callable[[dict[str, Tally]], None]) -> dict[str, Tally]:
    """Kill so often, the phases in turn, and begin anew when the index has grown large; `watch` sees every tally."""
    chance, tallies = random.Random(seed), {phase: Tally() for phase in PHASES}
    progress = Progress("kills", kills, unit="kills")
    with tempfile.TemporaryDirectory() as scratch:
        folder, ledger = Path(scratch) / "0", Ledger()
        for number in range(kills):
            phase = PHASES[number % len(PHASES)] if ledger.versions else "indexing"
            kill(folder, phase, ledger, 1000 * (number + 1), chance)
            if not (folder / "documents.sqlite").exists():
                continue
            check(folder, ledger, tallies[phase])
            if len(ledger.versions) > _DOCUMENTS_AT_MOST:
                folder, ledger = Path(scratch) / str(number + 1), Ledger()
            progress.step()
            watch(tallies)
    return tallies


def table(tallies: dict[str, Tally]) -> str:
    """Return the tallies as Markdown."""
    head = "| killed while | kills | in a call | of these kept whole | repaired | lost | double | stale | torn |"
    lines = [f"{head} median, longest s to open |", "|---" + "|---:" * 9 + "|"]
    for phase, one in tallies.items():
        times = f"{np.median(one.reopen_s):.2f}, {max(one.reopen_s):.2f}" if one.reopen_s else "-"
        bad = [one.lost, one.doubled, one.stale, one.torn]
        numbers = [one.kills, one.in_flight, one.in_flight_kept, one.repaired, *bad]
        lines.append(f"| {phase} | " + " | ".join(map(str, numbers)) + f" | {times} |")
    return "\n".join(lines)


def main() -> None:
    """Read the command line, kill, print the table."""
    if sys.argv[1:2] == ["--write"]:
        folder, phase, start, known = sys.argv[2:]
        write(Path(folder), phase, int(start), int(known))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    origin = provenance("benchmarks.scale.kills", sys.argv[1:])

    def note(tallies: dict[str, Tally]) -> None:
        """Write down what is known after every kill: a long run may be cut off."""
        keep(options.json, {"provenance": origin, "tallies": {phase: asdict(one) for phase, one in tallies.items()}})

    tallies = run(options.kills, options.seed, note)
    sys.stdout.write(table(tallies) + "\n")
    if any(one.lost + one.doubled + one.stale + one.torn for one in tallies.values()):
        sys.exit("an acknowledged document was not there as it was acknowledged")


if __name__ == "__main__":
    main()
