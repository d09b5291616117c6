"""One index at several sizes: ingest, disk, memory, latencies, recall of codes and graph, reopening, small updates.

    python -m benchmarks.scale.size --texts Packages pypi.tsv --encoder FOLDER --sizes 10000 100000 --json size.json

Every size is made and then examined in processes of their own, so that memory is that of the open index. Queries are
texts of the index with a third of their words left out, seeded: what is measured is time, and how much of the exact
lists the other ways find, not quality. With `--keep`, a run that was cut off goes on, and seconds are added up; a run
after that makes nothing and measures the searches again, for a time when the machine is idle. Codes and graph are made
in copies: the exact index stays.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.progress import tell
from benchmarks.provenance import as_markdown, keep, provenance
from benchmarks.scale.texts import documents
from shortlist.inference.biencoder import BiEncoder
from shortlist.protocols import Retriever, Role
from shortlist.retrieval import BM25, Dense, Hybrid, Index
from shortlist.retrieval.edge import folder_bytes
from shortlist.types import Document, Query

DEPTH = 100
WAYS = {
    "exact": {"codes_from": sys.maxsize, "graph_from": sys.maxsize},
    "codes": {"codes_from": 1, "graph_from": sys.maxsize},
    "graph": {"codes_from": 1, "graph_from": 1},
}
"""Ways of finding vectors, as `Index.optimize` is asked for them."""

_BATCH = 2000
_COMPARED = 50  # queries whose lists are held against those of exact search


def resident_mb() -> dict[str, float]:
    """Return this process's memory: all of it, and without mapped files, whose pages the system may take back."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    mb = {name: int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "RssFile")}
    return {"rss_mb": mb["VmRSS"], "rss_without_files_mb": mb["VmRSS"] - mb["RssFile"]}


def queries(texts: list[Document], count: int) -> list[Query]:
    """Return seeded queries: two thirds of the words of some texts, in their order."""
    chance = random.Random(0)
    chosen = chance.sample(texts, count)
    kept = [[word for word in one.text.split() if chance.random() < 0.67] for one in chosen]
    return [Query(" ".join(words) or one.text) for words, one in zip(kept, chosen, strict=True)]


def latencies(retriever: Any, asked: list[Query]) -> dict[str, float]:
    """Return P50 and P95 in ms; the first ten queries warm up."""
    took = []
    for query in asked:
        began = time.perf_counter()
        retriever.retrieve(query, depth=DEPTH)
        took.append((time.perf_counter() - began) * 1e3)
    p50, p95 = np.percentile(took[10:], [50, 95]).tolist()
    return {"p50_ms": p50, "p95_ms": p95}


def measure(files: list[Path], size: int, encoder_name: str, folder: Path, *, asked: int) -> dict[str, Any]:
    """Make an index of so many texts, and write down what it is to be asked."""
    texts = documents(files, size)
    found: dict[str, Any] = {"size": size, "repeated": sum("repeated" in one.metadata for one in texts)}
    with closing(BiEncoder.load(encoder_name)) as encoder:
        found |= {"encoder": encoder.fingerprint, **made(folder, encoder, texts)}
    asking = [query.text for query in queries(texts, asked)]
    folder.with_suffix(".queries.json").write_text(json.dumps(asking), encoding="utf-8")
    return found | {"disk_mb": folder_bytes(folder) / 1e6}


def made(folder: Path, encoder: BiEncoder, texts: list[Document]) -> dict[str, float]:
    """Make the index, or go on with one whose making was cut off; seconds are added up over the runs."""
    notes = folder.with_suffix(".json")
    found: dict[str, float] = json.loads(notes.read_text()) if notes.exists() else {"ingest_s": 0.0}
    if "optimize_s" in found:
        return found
    few = texts[:20_000]
    began = time.perf_counter()
    for start in range(0, len(few), _BATCH):
        encoder.encode([one.text for one in few[start : start + _BATCH]], role=Role.DOCUMENT)
    found["encode_per_s"] = len(few) / (time.perf_counter() - began)
    opening = Index.open if (folder / "documents.sqlite").exists() else Index.create
    with opening(folder, encoder=encoder) as index:
        for start in range(index.count(), len(texts), _BATCH):
            began = time.perf_counter()
            index.upsert(texts[start : start + _BATCH])
            found["ingest_s"] += time.perf_counter() - began
            notes.write_text(json.dumps(found))
        began = time.perf_counter()
        index.optimize(**WAYS["exact"])
        found["optimize_s"] = time.perf_counter() - began
    found["ingest_per_s"] = len(texts) / found["ingest_s"]
    notes.write_text(json.dumps(found))
    return found


def copied(folder: Path, encoder_name: str, way: str) -> dict[str, float]:
    """Optimise a copy of the index for another way of searching, if there is none yet."""
    copy = _copy_of(folder, way)
    notes = copy.with_suffix(".json")
    if not notes.exists():
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy)
        with closing(BiEncoder.load(encoder_name)) as encoder, Index.open(copy, encoder=encoder) as index:
            began = time.perf_counter()
            index.optimize(**WAYS[way])
            took = time.perf_counter() - began
        notes.write_text(json.dumps({f"{way}_s": took}))
    found: dict[str, float] = json.loads(notes.read_text())
    return found | {f"{way}_disk_mb": folder_bytes(copy) / 1e6}


def examine(folder: Path, encoder_name: str, way: str) -> dict[str, Any]:
    """Measure a made index, in a process that never held its texts; other ways than exact also against that one."""
    asked = [Query(text) for text in json.loads(folder.with_suffix(".queries.json").read_text(encoding="utf-8"))]
    nearest = folder.with_suffix(".nearest.json")
    place = folder if way == "exact" else _copy_of(folder, way)
    with closing(BiEncoder.load(encoder_name)) as encoder:
        found: dict[str, Any] = {"encoder_mb": resident_mb()["rss_mb"]}
        began = time.perf_counter()
        with Index.open(place, encoder=encoder, read_only=True) as index:
            found["open_s"] = time.perf_counter() - began
            arms: dict[str, Retriever] = {"bm25": BM25(index), "dense": Dense(index, encoder)}
            for name, retriever in {**arms, "hybrid": Hybrid(list(arms.values()))}.items():
                found[name] = latencies(retriever, asked)
            lists = [arms["dense"].retrieve(query, depth=DEPTH).doc_ids for query in asked[:_COMPARED]]
            found |= resident_mb()
        if way == "exact":
            nearest.write_text(json.dumps(lists), encoding="utf-8")
            return {way: found, **updated(folder, encoder)}
    wanted = json.loads(nearest.read_text(encoding="utf-8"))
    found["recall"] = float(np.mean([len({*one} & {*exact}) / DEPTH for one, exact in zip(lists, wanted, strict=True)]))
    return {way: found}


def updated(folder: Path, encoder: BiEncoder) -> dict[str, float]:
    """Measure commits of one and of a hundred documents, opening included nowhere."""
    with Index.open(folder, encoder=encoder) as index:
        took = []
        for count in (1, 100):
            began = time.perf_counter()
            index.upsert([Document(f"a changed text {i}", f"changed{i}") for i in range(count)])
            took.append((time.perf_counter() - began) * 1e3)
        index.delete([f"changed{i}" for i in range(100)])
    return {"update_1_ms": took[0], "update_100_ms": took[1]}


def _copy_of(folder: Path, way: str) -> Path:
    return folder.with_name(f"{folder.name}-{way}")


ROWS = (
    ("encode alone, texts/s", "encode_per_s", "{:,.0f}"),
    ("ingest with encoding, texts/s", "ingest_per_s", "{:,.0f}"),
    ("optimise, s", "optimize_s", "{:.1f}"),
    ("make the codes, s", "codes_s", "{:.1f}"),
    ("build the graph, s", "graph_s", "{:.1f}"),
    ("disk, exact, MB", "disk_mb", "{:,.0f}"),
    ("disk, codes, MB", "codes_disk_mb", "{:,.0f}"),
    ("memory before the index is opened, MB", "exact.encoder_mb", "{:,.0f}"),
    ("memory after the searches, exact, MB", "exact.rss_mb", "{:,.0f}"),
    ("of it not mapped files, MB", "exact.rss_without_files_mb", "{:,.0f}"),
    ("memory after the searches, codes, MB", "codes.rss_mb", "{:,.0f}"),
    ("of it not mapped files, MB", "codes.rss_without_files_mb", "{:,.0f}"),
    ("memory after the searches, graph, MB", "graph.rss_mb", "{:,.0f}"),
    ("open to read, exact, s", "exact.open_s", "{:.2f}"),
    ("open to read, codes, s", "codes.open_s", "{:.2f}"),
    ("BM25 P50 / P95, ms", "exact.bm25", "{p50_ms:.1f} / {p95_ms:.1f}"),
    ("dense, exact, P50 / P95, ms", "exact.dense", "{p50_ms:.1f} / {p95_ms:.1f}"),
    ("dense, codes, P50 / P95, ms", "codes.dense", "{p50_ms:.1f} / {p95_ms:.1f}"),
    ("dense, graph, P50 / P95, ms", "graph.dense", "{p50_ms:.1f} / {p95_ms:.1f}"),
    ("hybrid, exact, P50 / P95, ms", "exact.hybrid", "{p50_ms:.1f} / {p95_ms:.1f}"),
    ("hybrid, codes, P50 / P95, ms", "codes.hybrid", "{p50_ms:.1f} / {p95_ms:.1f}"),
    ("hybrid, graph, P50 / P95, ms", "graph.hybrid", "{p50_ms:.1f} / {p95_ms:.1f}"),
    ("recall@100 of the codes against exact", "codes.recall", "{:.4f}"),
    ("recall@100 of the graph against exact", "graph.recall", "{:.4f}"),
    ("commit of 1 text, ms", "update_1_ms", "{:.0f}"),
    ("commit of 100 texts, ms", "update_100_ms", "{:.0f}"),
)


def table(found: list[dict[str, Any]]) -> str:
    """Return the measurements as Markdown, a size a column."""
    lines = ["| | " + " | ".join(f"{one['size']:,}" for one in found) + " |", "|---" + "|---:" * len(found) + "|"]
    for title, key, layout in ROWS:
        cells = [_cell(looked_up(one, key), layout) for one in found]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def looked_up(one: dict[str, Any], key: str) -> Any:
    """Return what stands under a dotted name, or None where it was not measured."""
    found: Any = one
    for name in key.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _cell(value: Any, layout: str) -> str:
    if value is None:
        return "not measured"
    return layout.format(**value) if isinstance(value, dict) else layout.format(value)


def _in_stages(arguments: list[str], size: int, kept: Path, ways: list[str]) -> dict[str, Any]:
    """Make and examine an index of one size, each in a process of its own."""
    found: dict[str, Any] = {}
    for stage in ["make", "examine-exact", *(f"{verb}-{way}" for way in ways for verb in ("make", "examine"))]:
        tell(f"{size} texts: {stage}")
        command = [sys.executable, "-m", "benchmarks.scale.size", *arguments, "--sizes", str(size), "--stage", stage]
        said = subprocess.run([*command, "--keep", str(kept)], check=True, stdout=subprocess.PIPE, text=True).stdout
        found |= json.loads(said)
    return found


def _staged(options: argparse.Namespace, kept: Path) -> dict[str, Any]:
    size = options.sizes[0]
    folder, (verb, _, way) = kept / str(size), options.stage.partition("-")
    if not way:
        return measure(options.texts, size, options.encoder, folder, asked=options.queries)
    return (copied if verb == "make" else examine)(folder, options.encoder, way)


def main() -> None:
    """Read the command line, measure every size in a process of its own, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path, nargs="+", required=True)
    parser.add_argument("--encoder", default="all-minilm-l6-v2")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--queries", type=int, default=110)
    parser.add_argument("--graph", action="store_true", help="Also build the graph, which takes minutes at a million.")
    parser.add_argument("--keep", type=Path, help="Where the indexes stay; a run that was cut off goes on there.")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        kept = options.keep or Path(scratch)
        kept.mkdir(parents=True, exist_ok=True)
        if options.stage:
            sys.stdout.write(json.dumps(_staged(options, kept)))
            return
        ways = ["codes", "graph"] if options.graph else ["codes"]
        sizes = [_in_stages(sys.argv[1:], size, kept, ways) for size in options.sizes]
    origin = provenance("benchmarks.scale.size", sys.argv[1:])
    sys.stdout.write(f"{table(sizes)}\n\n{as_markdown(origin)}\ncores: {len(os.sched_getaffinity(0))}\n")
    keep(options.json, {"provenance": origin, "sizes": sizes})


if __name__ == "__main__":
    main()
