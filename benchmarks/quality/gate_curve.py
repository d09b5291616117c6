"""The share of queries a gate skips against the nDCG@10 that is lost, on each collection.

    python -m benchmarks.quality.gate_curve --work indexes --collections scifact cranfield --json gate.json

Every sampled query is searched in our own index (hybrid; trec_dl19 has the published BM25
candidates instead) and reranked. Gates are trained on these queries' features: one on whether nDCG@10
rose, which takes judgements, and one on whether other documents came among the first ten, which
`shortlist search --log-reranks` logs without any. Probabilities are those of queries held out in
turn, so no query is judged by a gate that saw it. Beside them stand the rules, and skipping at
random, which is a straight line from all reranked to none.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.progress import Progress
from benchmarks.provenance import as_markdown, keep, provenance
from benchmarks.quality.collection import Collection, load_collection
from benchmarks.quality.curve import Point, gate_curve
from benchmarks.quality.indexing import indexed, work_folder
from benchmarks.quality.measure import NDCG, per_query
from benchmarks.quality.tables import markdown
from shortlist.build.models import load_model
from shortlist.errors import InputError
from shortlist.evaluation.collection import drawn
from shortlist.gating.features import Features
from shortlist.gating.log import logged
from shortlist.gating.logistic import held_out_chances
from shortlist.gating.rules import Rules
from shortlist.inference.biencoder import BiEncoder
from shortlist.protocols import Reranker, Retriever
from shortlist.retrieval import BM25, Dense, Hybrid
from shortlist.scorers.pointwise import Pointwise
from shortlist.settings import Settings
from shortlist.types import Query, Ranking

TOP_K = 10
SHARES = (0.1, 0.25, 0.5, 0.75)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One query: what the gate can see, what the rules say, and nDCG@10 without and with reranking."""

    query_id: str
    features: Features
    rules_rerank: bool
    has_changed: bool
    skipped: float
    reranked: float


def main(arguments: Sequence[str]) -> None:
    options = _options().parse_args(arguments)
    run = provenance("benchmarks.quality.gate_curve", arguments)
    values: dict[str, Any] = dict(run)
    encoder = BiEncoder.load(Settings().encoder)
    reranker = Pointwise(load_model(options.model, encoder=encoder))
    sys.stdout.write(f"# Skipped against lost\n\n{as_markdown(run)}")
    with work_folder(options.work) as work:
        for name in options.collections:
            outcomes = _outcomes(load_collection(name), encoder, reranker, work, options)
            curves = {
                "nDCG rose": _curve(outcomes, [one.reranked > one.skipped for one in outcomes]),
                "first 10 changed": _curve(outcomes, [one.has_changed for one in outcomes]),
            }
            sys.stdout.write(f"\n## {name}, {len(outcomes)} queries\n\n{_table(outcomes, curves)}")
            sys.stdout.flush()
            values[name] = {
                "outcomes": [asdict(one) for one in outcomes],
                "curves": {label: [asdict(point) for point in curve] for label, curve in curves.items()},
            }
    keep(options.json, values)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collections", nargs="+", default=("scifact", "cranfield", "cosqa", "xquad_en", "trec_dl19"))
    parser.add_argument("--model", default="shortlist-l6")
    parser.add_argument("--queries", type=int, default=100, help="per collection; 0 takes all")
    parser.add_argument("--depth", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="folder to keep the indexes in")
    parser.add_argument("--json", type=Path, help="file for all values")
    return parser


class Given:
    """The candidates that come with a collection, as a retriever."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    def retrieve(self, query: Query, *, depth: int) -> Ranking:
        """Return the given candidates in their order."""
        return Ranking.in_order(query, self._collection.given(query, depth=depth), stage="bm25")


def _outcomes(
    collection: Collection, encoder: BiEncoder, reranker: Reranker, work: Path, options: argparse.Namespace
) -> list[Outcome]:
    if collection.candidates is not None:
        return _searched(collection, Given(collection), reranker, options)
    with indexed(collection, work, encoder=encoder) as made:
        hybrid = Hybrid([BM25(made.index), Dense(made.index, encoder)])
        return _searched(collection, hybrid, reranker, options)


def _searched(
    collection: Collection, retriever: Retriever, reranker: Reranker, options: argparse.Namespace
) -> list[Outcome]:
    queries = drawn(collection.queries, options.queries, seed=options.seed)
    progress = Progress(collection.name, len(queries), unit="queries")
    found: dict[str, tuple[Features, bool, bool]] = {}
    before, after = {}, {}
    for query in queries:
        candidates = retriever.retrieve(query, depth=options.depth)
        decision = Rules().decide(candidates, top_k=TOP_K)
        reranked = reranker.rerank(candidates)
        seen = logged(candidates, reranked, top_k=TOP_K)
        found[query.query_id] = seen.features, decision.is_worth_it, seen.was_worth_it
        before[query.query_id], after[query.query_id] = candidates.doc_ids, reranked.doc_ids
        progress.step()
    skipped, made = (
        per_query(run, collection.qrels, relevant_from=collection.relevant_from)[NDCG] for run in (before, after)
    )
    return [Outcome(q, *found[q], skipped[q], made[q]) for q in found]


def _curve(outcomes: Sequence[Outcome], was_worth_it: Sequence[bool]) -> tuple[Point, ...]:
    """Return a held-out gate's points; none where too few queries ended in the other way to train one."""
    rows = np.array([one.features.row() for one in outcomes])
    try:
        chances = held_out_chances(rows, np.array(was_worth_it, dtype=float)).tolist()
    except InputError:
        return ()
    return gate_curve(chances, [one.skipped for one in outcomes], [one.reranked for one in outcomes])


def _table(outcomes: Sequence[Outcome], curves: Mapping[str, Sequence[Point]]) -> str:
    none, every = (float(np.mean(values)) for values in zip(*((o.reranked, o.skipped) for o in outcomes), strict=True))
    rules = [one.reranked if one.rules_rerank else one.skipped for one in outcomes]
    share = sum(not one.rules_rerank for one in outcomes) / len(outcomes)
    rows = [["rerank all", "0%", f"{none:.4f}", "-"], ["rules", *_cells(share, sum(rules) / len(rules), none, every)]]
    for label, curve in curves.items():
        for wanted in SHARES if curve else ():
            point = min(curve, key=lambda point: abs(point.skipped - wanted))
            name = f"trained: {label}, threshold {point.threshold:.2f}"
            rows.append([name, *_cells(point.skipped, point.value, none, every)])
    rows.append(["rerank none", "100%", f"{every:.4f}", f"{every:.4f}"])
    return markdown(["gate", "skipped", "nDCG@10", "skipped at random"], rows)


def _cells(share: float, value: float, none: float, every: float) -> list[str]:
    return [f"{share:.0%}", f"{value:.4f}", f"{none + share * (every - none):.4f}"]


if __name__ == "__main__":
    main(sys.argv[1:])
