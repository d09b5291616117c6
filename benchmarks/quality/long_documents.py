"""How the packaged model best reads documents: all that fits at once, or in short passages of which the best counts.

    python -m benchmarks.quality.long_documents --work indexes --json long_documents.json

Candidates are those of our hybrid search (of trec_dl19 the given ones). Each way of reading orders them by the
cross-encoder alone and by the packaged sum, in which only the cross-encoder reads that way. The paired tests are of the
sums against the first way named, and "tokens" says how many the cross-encoder read, of those of the first way.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.progress import Progress
from benchmarks.provenance import as_markdown, keep, provenance, weights_of
from benchmarks.quality.collection import Collection, load_collection
from benchmarks.quality.indexing import work_folder
from benchmarks.quality.measure import NDCG, per_query
from benchmarks.quality.precision_effect import first_stage
from benchmarks.quality.tables import differences, markdown
from shortlist.build.models import load_model
from shortlist.evaluation import mean
from shortlist.evaluation.collection import drawn
from shortlist.evaluation.significance import compare, corrected
from shortlist.inference.biencoder import BiEncoder
from shortlist.scorers.blend import Blend
from shortlist.scorers.cross_encoder import CrossEncoder
from shortlist.settings import DEFAULT_MODEL
from shortlist.types import Ranking, ScoreKind

COLLECTIONS = ("trec_dl19", "cranfield", "scifact", "cosqa")
WAYS = ("head", "passages-short")


@dataclass(frozen=True, slots=True)
class Read:
    """Every query's nDCG@10 by the cross-encoder alone and by the sum, and the tokens that were read."""

    alone: Mapping[str, float]
    summed: Mapping[str, float]
    tokens: int


def main(arguments: Sequence[str]) -> None:
    """Read the command line, score with every way of reading, print a table a collection."""
    options = _options().parse_args(arguments)
    run = {**provenance("benchmarks.quality.long_documents", arguments), "weights": weights_of([DEFAULT_MODEL])}
    sys.stdout.write(as_markdown(run))
    values: dict[str, Any] = {}
    with work_folder(options.work) as work, closing(BiEncoder.load("all-minilm-l6-v2")) as encoder:
        for name in options.collections:
            collection = load_collection(name)
            queries = drawn(collection.queries, options.queries, seed=options.seed)
            candidates = first_stage(collection, queries, work, depth=options.depth, encoder=encoder)
            found = {way: read(collection, candidates, way, encoder) for way in options.ways}
            given = {one.query.query_id: one.doc_ids for one in candidates}
            first = per_query(given, collection.qrels, relevant_from=collection.relevant_from)[NDCG]
            sums: dict[str, Mapping[str, float]] = {way: one.summed for way, one in found.items()}
            tests = corrected([compare(way, options.ways[0], sums, seed=options.seed) for way in options.ways[1:]])
            sys.stdout.write(f"\n## {name}, {len(candidates)} queries\n\n{_table(first, found)}\n{differences(tests)}")
            sys.stdout.flush()
            values[name] = {"first stage": {NDCG: first}} | {
                f"{way}, {what}": {NDCG: part}
                for way, one in found.items()
                for what, part in (("alone", one.alone), ("sum", one.summed))
            }
    keep(options.json, {**run, "systems": values})


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collections", nargs="+", default=COLLECTIONS, metavar="NAME")
    parser.add_argument("--ways", nargs="+", default=WAYS, metavar="WAY", help="of `long_documents`")
    parser.add_argument("--queries", type=int, default=100, help="drawn from each collection; 0 for all")
    parser.add_argument("--depth", type=int, default=50, help="candidates a query")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="folder for the indexes, kept; without it they are temporary")
    parser.add_argument("--json", type=Path, help="file for every query's values")
    return parser


def read(collection: Collection, candidates: Sequence[Ranking], way: str, encoder: BiEncoder) -> Read:
    """Order the candidates by the packaged model whose cross-encoder reads documents in that way."""
    blend = load_model(DEFAULT_MODEL, encoder=encoder, long_documents=way)
    assert isinstance(blend, Blend)
    reader = next(part for part in blend.parts if isinstance(part, CrossEncoder))
    others, tokens = blend.without(reader), 0
    progress = Progress(f"{collection.name}: {way}", len(candidates), unit="queries")
    runs: dict[str, dict[str, Sequence[str]]] = {"alone": {}, "summed": {}}
    for given in candidates:
        scores = reader.score(given.query, given.documents)
        tokens += scores.step.counts["tokens"]
        added = others.score(given.query, given.documents).values
        for system, values in (("alone", scores.values), ("summed", scores.values + added)):
            ranking = given.reordered(values, kind=ScoreKind.WEIGHTED_SUM, stage=system)
            runs[system][given.query.query_id] = ranking.doc_ids
        progress.step()
    reader.close()
    alone, summed = (
        per_query(run, collection.qrels, relevant_from=collection.relevant_from)[NDCG] for run in runs.values()
    )
    return Read(alone, summed, tokens)


def _table(first: Mapping[str, float], found: Mapping[str, Read]) -> str:
    whole = next(iter(found.values())).tokens
    rows = [["first stage", "", f"{mean(first):.4f}", f"{mean(first):.4f}"]]
    rows += [
        [way, f"{one.tokens / whole:.2f}", f"{mean(one.alone):.4f}", f"{mean(one.summed):.4f}"]
        for way, one in found.items()
    ]
    return markdown(["read", "tokens", "cross-encoder alone", "the sum"], rows)


if __name__ == "__main__":
    main(sys.argv[1:])
