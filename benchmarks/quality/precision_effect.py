"""Measure what bf16 and int8 do to the order, on both engines, on real candidates.

    python -m benchmarks.quality.precision_effect --model shortlist-minilm-l6 --json precision.json

Candidates are our own BM25's top 100 on scifact and the published BM25 run on trec_dl19.
Each installed engine runs in fp32, bf16 and int8; what a machine cannot run is listed with
the reason. The reference is the first engine's fp32. Per query: Kendall's tau-b and the
common share of the top 10, averaged, and the largest difference of logits; and each one's
nDCG@10 with a paired randomisation test against the reference (Holm within a table).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.progress import Progress, tell
from benchmarks.provenance import as_markdown, keep, provenance
from benchmarks.quality.collection import Collection, load_collection
from benchmarks.quality.indexing import indexed, work_folder
from benchmarks.quality.measure import NDCG, per_query
from benchmarks.quality.tables import differences, markdown
from benchmarks.variants import Loaded, load_variants
from shortlist.build.search import retriever_of
from shortlist.errors import InputError
from shortlist.evaluation import mean
from shortlist.evaluation.agreement import Agreement, agreement, over_queries
from shortlist.evaluation.collection import drawn
from shortlist.evaluation.significance import Comparison, compare, corrected
from shortlist.inference.biencoder import BiEncoder
from shortlist.types import Query, Ranking, ScoreKind

Logits = dict[str, npt.NDArray[np.float32]]  # query_id -> [candidates]


@dataclass(frozen=True, slots=True)
class Effect:
    """On one collection: each variant's agreement with the reference, its nDCG@10, and the tests."""

    collection: str
    queries: int
    queries_there: int
    reference: str
    agreements: dict[str, Agreement]
    ndcg: dict[str, dict[str, float]]
    comparisons: list[Comparison]


def main(arguments: Sequence[str]) -> None:
    options = _options().parse_args(arguments)
    run = provenance("benchmarks.quality.precision_effect", arguments)
    variants, skipped = load_variants(options.model, engines=options.engines)
    if len(variants) < 2:
        raise InputError(f"only {len(variants)} variants run here, so nothing can be compared; install openvino")
    with work_folder(options.work) as work:
        effects = [_effect(load_collection(name), variants, work, options) for name in options.collections]
    sys.stdout.write(_markdown(run, effects, skipped))
    keep(options.json, {**run, "skipped": skipped, "effects": [asdict(effect) for effect in effects]})


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="shortlist-minilm-l6", help="cross-encoder: packaged name or folder")
    parser.add_argument("--collections", nargs="+", default=("scifact", "trec_dl19"), metavar="NAME")
    parser.add_argument("--queries", type=int, default=20, help="drawn from each collection; 0 for all")
    parser.add_argument("--engines", nargs="+", help="only these, the first one in fp32 being the reference")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--depth", type=int, default=100, help="candidates a query")
    parser.add_argument("--work", type=Path, help="folder for the index, kept; without it it is temporary")
    parser.add_argument("--json", type=Path, help="file for all values")
    return parser


def _effect(collection: Collection, variants: Sequence[Loaded], work: Path, options: argparse.Namespace) -> Effect:
    queries = drawn(collection.queries, options.queries, seed=options.seed)
    candidates = [c for c in first_stage(collection, queries, work, depth=options.depth) if len(c) > 1]
    logits = {variant.name: _logits(variant, collection.name, candidates) for variant in variants}
    reference, *others = logits
    ndcg = {name: _ndcg(collection, candidates, found) for name, found in logits.items()}
    comparisons = corrected([compare(name, reference, ndcg, seed=options.seed) for name in others])
    agreements = {name: _agreement(logits[name], logits[reference]) for name in logits}
    there = len(collection.queries)
    return Effect(collection.name, len(candidates), there, reference, agreements, ndcg, comparisons)


def first_stage(
    collection: Collection, queries: Sequence[Query], work: Path, *, depth: int, encoder: BiEncoder | None = None
) -> list[Ranking]:
    """Return the given candidates of each query, or those that our own BM25 finds; with an encoder, hybrid search."""
    if collection.candidates is not None:
        return [Ranking.in_order(query, collection.given(query, depth=depth), stage="bm25") for query in queries]
    with indexed(collection, work, encoder=encoder) as made:
        retriever = retriever_of("hybrid", made.index, encoder)
        return [retriever.retrieve(query, depth=depth) for query in queries]


def _logits(variant: Loaded, collection: str, candidates: Sequence[Ranking]) -> Logits:
    progress = Progress(f"{collection}: {variant.name}", len(candidates), unit="queries")
    logits: Logits = {}
    for ranking in candidates:
        logits[ranking.query.query_id] = variant.scorer.score(ranking.query, ranking.documents).values
        progress.step()
    return logits


def _ndcg(collection: Collection, candidates: Sequence[Ranking], logits: Logits) -> dict[str, float]:
    run = {
        c.query.query_id: c.reordered(logits[c.query.query_id], kind=ScoreKind.LOGIT, stage="cross-encoder").doc_ids
        for c in candidates
    }
    return per_query(run, collection.qrels, relevant_from=collection.relevant_from)[NDCG]


def _agreement(logits: Logits, reference: Logits) -> Agreement:
    return over_queries([agreement(scores, reference[query_id]) for query_id, scores in logits.items()])


def _markdown(run: dict[str, Any], effects: Sequence[Effect], skipped: Mapping[str, str]) -> str:
    parts = ["# Precision and order\n", as_markdown(run)]
    parts += [f"Not run: {name}: {reason}\n" for name, reason in skipped.items()]
    for effect in effects:
        parts.append(f"## {effect.collection}: {effect.queries} of {effect.queries_there} queries\n")
        parts += [_table(effect), differences(effect.comparisons)]
    tell("done")
    return "\n".join(parts)


def _table(effect: Effect) -> str:
    header = [f"against {effect.reference}", "Kendall tau", "common top 10", "largest logit difference", NDCG]
    rows = [
        [
            name,
            f"{a.tau:.4f}",
            f"{a.top_10_overlap:.1%}",
            f"{a.largest_difference:.5f}",
            f"{mean(effect.ndcg[name]):.4f}",
        ]
        for name, a in effect.agreements.items()
    ]
    return markdown(header, rows)


if __name__ == "__main__":
    main(sys.argv[1:])
