"""What reading the most promising candidates first is worth, when there is time for some of them only.

    python -m benchmarks.quality.reading_order --work indexes --kept scores --json order.json

Candidates are those of our hybrid search (of trec_dl19 the given ones), every one scored once by what is known
without reading it and by the whole packaged model. At every depth two systems have read so many candidates: the first
ones of the first stage, the others behind them in its order, and the most promising ones, the others behind them by
what is known of them. The paired test is of the second against the first. `--kept` names a folder for the scores.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.provenance import as_markdown, keep, provenance, weights_of
from benchmarks.quality.collection import Collection, load_collection
from benchmarks.quality.exits import Scored, scores_of
from benchmarks.quality.indexing import work_folder
from benchmarks.quality.measure import NDCG, per_query
from benchmarks.quality.precision_effect import first_stage
from benchmarks.quality.tables import markdown
from shortlist.build.exits import load_exits
from shortlist.evaluation import mean
from shortlist.evaluation.collection import drawn
from shortlist.evaluation.report.figures import p_value
from shortlist.evaluation.significance import compare
from shortlist.inference.biencoder import BiEncoder
from shortlist.settings import DEFAULT_MODEL
from shortlist.types import Ranking, ScoreKind

COLLECTIONS = ("trec_dl19", "cranfield", "scifact", "cosqa")
READ = (0, 1, 3, 5, 10, 20, 30, 50)
GIVEN, PROMISING = "the first stage's first", "the most promising first"
Curve = Mapping[int, Mapping[str, float]]  # documents read -> query_id -> nDCG@10


def main(arguments: Sequence[str]) -> None:
    options = _options().parse_args(arguments)
    run = {**provenance("benchmarks.quality.reading_order", arguments), "weights": weights_of([DEFAULT_MODEL])}
    sys.stdout.write(f"# The order of reading, first {options.depth} candidates\n\n{as_markdown(run)}")
    encoder = BiEncoder.load("all-minilm-l6-v2")
    model = load_exits(DEFAULT_MODEL, encoder=encoder)
    values = {}
    with work_folder(options.work) as work:
        for name in options.collections:
            collection = load_collection(name)
            queries = drawn(collection.queries, options.queries, seed=options.seed)
            candidates = first_stage(collection, queries, work, depth=options.depth, encoder=encoder)
            scored = dict(scores_of(model, f"{name}-hybrid", candidates, options.kept))
            curves = {system: curve_of(collection, candidates, scored, system) for system in (GIVEN, PROMISING)}
            sys.stdout.write(f"\n## {name}, {len(candidates)} queries\n\n{_table(curves, seed=options.seed)}")
            sys.stdout.flush()
            values[name] = curves
    model.close()
    encoder.close()
    keep(options.json, {**run, "nDCG@10": values})


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collections", nargs="+", default=COLLECTIONS, metavar="NAME")
    parser.add_argument("--queries", type=int, default=100, help="drawn from each collection; 0 for all")
    parser.add_argument("--depth", type=int, default=50, help="candidates a query")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="folder for the indexes, kept; without it they are temporary")
    parser.add_argument("--kept", type=Path, help="folder for the scores, kept; without it they are made anew")
    parser.add_argument("--json", type=Path, help="file for every query's values")
    return parser


def curve_of(collection: Collection, candidates: Sequence[Ranking], scored: Scored, system: str) -> Curve:
    """Return every query's nDCG@10 by how many documents were read."""
    runs: dict[int, dict[str, Sequence[str]]] = {read: {} for read in READ}
    for given in candidates:
        cheap, whole = scored[given.query.query_id]
        places = {doc_id: place for place, doc_id in enumerate(given.doc_ids)}
        ranking = given if system == GIVEN else given.reordered(cheap, kind=ScoreKind.WEIGHTED_SUM, stage="cheap")
        for read in READ:
            values = [whole[places[doc_id]] for doc_id in ranking.doc_ids[:read]]
            reread = ranking.partly_reordered(values, kind=ScoreKind.WEIGHTED_SUM, stage="whole")
            runs[read][given.query.query_id] = reread.doc_ids
    return {
        read: per_query(run, collection.qrels, relevant_from=collection.relevant_from)[NDCG]
        for read, run in runs.items()
    }


def _table(curves: Mapping[str, Curve], *, seed: int) -> str:
    rows = []
    for read in READ:
        given, promising = curves[GIVEN][read], curves[PROMISING][read]
        told = compare(PROMISING, GIVEN, {PROMISING: promising, GIVEN: given}, seed=seed)
        interval = f"{told.low:+.4f} to {told.high:+.4f}"
        figures = [f"{mean(given):.4f}", f"{mean(promising):.4f}", f"{told.difference:+.4f}", interval]
        rows.append([str(read), *figures, p_value(told.p_randomisation)])
    return markdown(["documents read", GIVEN, PROMISING, "difference", "95 % interval", "p"], rows)


if __name__ == "__main__":
    main(sys.argv[1:])
