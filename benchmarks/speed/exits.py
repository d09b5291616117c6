"""What a model's exits save and lose: time, candidates read on, and nDCG@10 beside the whole model.

    python -m benchmarks.speed.exits FOLDER --collections trec_dl19 scifact --json exits.json

FOLDER holds a model with `exit_heads.safetensors`. Candidates are BM25's. Margins are fitted on one half of the
queries and used on the other, both ways round; everything is counted on queries that were not fitted on. Vectors of the
documents are made beforehand, as an index has them. Whole and pruned take turns query by query.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.progress import Progress
from benchmarks.provenance import as_markdown, provenance
from benchmarks.quality.collection import Collection, load_collection, sample
from benchmarks.quality.indexing import work_folder
from benchmarks.quality.measure import NDCG, per_query
from benchmarks.quality.precision_effect import first_stage
from benchmarks.quality.tables import differences, markdown
from shortlist.build.exits import load_pruned
from shortlist.build.models import load_second_stage
from shortlist.evaluation.significance import compare, corrected
from shortlist.inference.biencoder import BiEncoder
from shortlist.protocols import Reranker, Role
from shortlist.scorers.pruned import Pruned
from shortlist.scorers.pruning import Margins, safe_margins
from shortlist.types import DocumentVector, Ranking

WHOLE = "whole model"


@dataclass(frozen=True, slots=True)
class Call:
    """One reranking: what it took, its first ten, and how many candidates each stage read."""

    system: str
    query_id: str
    ms: float
    top: tuple[str, ...]
    read: tuple[int, ...]


def main(arguments: Sequence[str]) -> None:
    options = _options().parse_args(arguments)
    run = provenance("benchmarks.speed.exits", arguments)
    sys.stdout.write(f"# Exits\n\n{as_markdown(run)}")
    whole, measuring = load_second_stage(options.folder), load_pruned(options.folder, None)
    values = {}
    with work_folder(options.work) as work:
        for name in options.collections:
            collection = load_collection(name)
            queries = sample(collection.queries, options.queries, seed=options.seed)
            candidates = _with_vectors(first_stage(collection, queries, work, depth=options.depth))
            calls = list(_calls(candidates, whole, measuring, options, work))
            sys.stdout.write(f"\n## {name}, {len(candidates)} queries\n\n{_tables(collection, calls, options)}")
            values[name] = [asdict(call) for call in calls]
    if options.json:
        options.json.write_text(json.dumps({**run, "calls": values}, indent=1) + "\n", encoding="utf-8")


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="model with exit_heads.safetensors; a card.json makes it a blend")
    parser.add_argument("--collections", nargs="+", default=("trec_dl19", "scifact", "cranfield"), metavar="NAME")
    parser.add_argument("--queries", type=int, default=80, help="drawn from each collection; 0 for all")
    parser.add_argument("--depth", type=int, default=100, help="candidates a query")
    parser.add_argument("--top-k", type=int, default=10)
    parser.add_argument("--risks", nargs="+", type=float, default=(0.1, 0.2, 0.4))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="folder for the indexes, kept; without it they are temporary")
    parser.add_argument("--json", type=Path, help="file for all values")
    return parser


def _with_vectors(candidates: Sequence[Ranking]) -> list[Ranking]:
    encoder = BiEncoder.load("all-minilm-l6-v2")
    distinct = {document.doc_id: document for ranking in candidates for document in ranking.documents}
    made = encoder.encode([document.full_text for document in distinct.values()], role=Role.DOCUMENT)
    vectors = {doc_id: DocumentVector(encoder.fingerprint, row) for doc_id, row in zip(distinct, made, strict=True)}
    encoder.close()
    return [
        Ranking.in_order(
            ranking.query, [replace(document, vector=vectors[document.doc_id]) for document in ranking.documents]
        )
        for ranking in candidates
    ]


def _calls(
    candidates: Sequence[Ranking], whole: Reranker, measuring: Pruned, options: argparse.Namespace, work: Path
) -> Iterator[Call]:
    """Fit on the even queries and ask the odd ones, and the other way round."""
    progress = Progress("asking", len(candidates), unit="queries")
    for fold in (0, 1):
        fitted, asked = candidates[fold::2], candidates[1 - fold :: 2]
        systems: dict[str, Reranker] = {WHOLE: whole}
        scores = [measuring.scores(ranking.query, ranking.documents) for ranking in fitted]
        for risk in options.risks:
            margins = safe_margins(scores, top_k=options.top_k, risk=risk)
            file = work / "exits.json"
            Margins(measuring.fingerprint, options.top_k, risk, len(fitted), margins).save(file)
            systems[f"risk {risk:g}"] = load_pruned(options.folder, file)
        for turn, ranking in enumerate(asked):
            names = [*systems][turn % len(systems) :] + [*systems][: turn % len(systems)]
            for name in names:
                began = time.perf_counter()
                found = systems[name].rerank(ranking, top_k=options.top_k)
                ms = (time.perf_counter() - began) * 1000
                counts = found.trace.steps[-1].counts
                read = tuple(counts[f"stage_{place}"] for place in range(9) if f"stage_{place}" in counts)
                yield Call(name, ranking.query.query_id, ms, tuple(found.doc_ids), read)
            progress.step()


def _tables(collection: Collection, calls: Sequence[Call], options: argparse.Namespace) -> str:
    systems = {
        name: {c.query_id: c for c in calls if c.system == name} for name in dict.fromkeys(c.system for c in calls)
    }
    systems = {WHOLE: systems.pop(WHOLE), **systems}
    ndcg = {
        name: per_query({query_id: call.top for query_id, call in found.items()}, collection.qrels)[NDCG]
        for name, found in systems.items()
    }
    rows = [_row(name, found, systems[WHOLE], ndcg[name]) for name, found in systems.items()]
    header = ["", "nDCG@10", "P50 ms", "P95 ms", "times as fast", "read by each stage", "queries that lose one", "lost"]
    tests = corrected([compare(name, WHOLE, ndcg, seed=options.seed) for name in systems if name != WHOLE])
    return f"{markdown(header, rows)}\n{differences(tests)}"


def _row(name: str, found: Mapping[str, Call], whole: Mapping[str, Call], ndcg: Mapping[str, float]) -> list[str]:
    times = [call.ms for call in found.values()]
    faster = np.median([whole[query_id].ms / call.ms for query_id, call in found.items()])
    lost = [len(set(whole[query_id].top) - set(call.top)) for query_id, call in found.items()]
    stages = [call.read for call in found.values() if call.read]
    read = ", ".join(f"{count:.1f}" for count in np.mean(stages, axis=0)) if stages else "-"
    p50, p95 = (f"{np.quantile(times, share):.0f}" for share in (0.5, 0.95))
    return [
        name,
        f"{np.mean(list(ndcg.values())):.4f}",
        p50,
        p95,
        f"{faster:.2f}",
        read,
        f"{sum(map(bool, lost))} of {len(lost)}",
        f"{np.mean(lost):.2f}",
    ]


if __name__ == "__main__":
    main(sys.argv[1:])
