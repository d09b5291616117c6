"""What a top 10 that repeats less costs: nDCG@10 beside how alike its documents are, by the diversity asked for.

    python -m benchmarks.quality.diversity --work indexes --json diversity.json

Candidates are those of our hybrid search (of trec_dl19 the given ones), reranked once by the packaged model; the
product's own `diversified` then orders them. How alike the first ten are: the mean cosine of their pairs and the share
of documents with a cosine of .9 or more to one before them, both by the vectors that `diversified` goes by, and the
mean share of words that pairs have in common (Jaccard), which it knows nothing of. No collection here judges aspects of
a query, so a measure such as alpha-nDCG cannot be had: nDCG only counts what a more diverse list loses.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from benchmarks.progress import Progress
from benchmarks.provenance import as_markdown, keep, provenance, weights_of
from benchmarks.quality.collection import Collection, load_collection
from benchmarks.quality.indexing import work_folder
from benchmarks.quality.measure import NDCG, per_query
from benchmarks.quality.precision_effect import first_stage
from benchmarks.quality.tables import markdown
from shortlist import Reranker
from shortlist.evaluation import mean
from shortlist.evaluation.collection import drawn
from shortlist.evaluation.report.figures import p_value
from shortlist.evaluation.significance import compare
from shortlist.inference.biencoder import BiEncoder
from shortlist.pipeline import diversified, with_vectors
from shortlist.settings import DEFAULT_MODEL
from shortlist.types import Ranking

COLLECTIONS = ("cranfield", "trec_dl19")
DIVERSITIES = (0.0, 0.1, 0.3, 0.5)
TOP, REPEATS = 10, 0.9
COSINE, REPEATED, WORDS = "mean cosine of pairs", "cosine .9 to one before", "words that pairs share"
Values = Mapping[str, Mapping[str, float]]  # measure -> query_id -> value


def main(arguments: Sequence[str]) -> None:
    options = _options().parse_args(arguments)
    run = {**provenance("benchmarks.quality.diversity", arguments), "weights": weights_of([DEFAULT_MODEL])}
    sys.stdout.write(f"# Diversity of the first {TOP} of {options.depth}\n\n{as_markdown(run)}")
    encoder = BiEncoder.load("all-minilm-l6-v2")
    reranker = Reranker.load(encoder=encoder)
    values = {}
    with work_folder(options.work) as work:
        for name in options.collections:
            collection = load_collection(name)
            queries = drawn(collection.queries, options.queries, seed=options.seed)
            candidates = first_stage(collection, queries, work, depth=options.depth, encoder=encoder)
            rankings = _reranked(name, reranker, [with_vectors(one, encoder) for one in candidates])
            values[name] = {
                f"{d:g}": _values(collection, [diversified(one, d) for one in rankings]) for d in DIVERSITIES
            }
            sys.stdout.write(f"\n## {name}, {len(candidates)} queries\n\n{_table(values[name], seed=options.seed)}")
            sys.stdout.flush()
    encoder.close()
    keep(options.json, {**run, "values": values})


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collections", nargs="+", default=COLLECTIONS, metavar="NAME")
    parser.add_argument("--queries", type=int, default=50, help="drawn from each collection; 0 for all")
    parser.add_argument("--depth", type=int, default=50, help="candidates a query")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="folder for the indexes, kept; without it they are temporary")
    parser.add_argument("--json", type=Path, help="file for every query's values")
    return parser


def _reranked(name: str, reranker: Reranker, candidates: Sequence[Ranking]) -> list[Ranking]:
    progress = Progress(f"{name}: reranking", len(candidates), unit="queries")
    rankings = []
    for one in candidates:
        rankings.append(reranker.rerank(one))
        progress.step()
    return rankings


def _values(collection: Collection, rankings: Sequence[Ranking]) -> Values:
    run = {ranking.query.query_id: ranking.doc_ids for ranking in rankings}
    alike = {ranking.query.query_id: alike_of(ranking.head(TOP)) for ranking in rankings}
    told = {NDCG: per_query(run, collection.qrels, relevant_from=collection.relevant_from)[NDCG]}
    return told | {measure: {q: found[measure] for q, found in alike.items()} for measure in (COSINE, REPEATED, WORDS)}


def alike_of(ranking: Ranking) -> dict[str, float]:
    """Return how much documents repeat each other; nothing does where there are fewer than two."""
    if len(ranking) < 2:
        return dict.fromkeys((COSINE, REPEATED, WORDS), 0.0)
    vectors = np.stack([d.vector.values for d in ranking.documents if d.vector is not None])
    cosines = vectors @ vectors.T  # [documents, documents]
    words = [set(document.text.lower().split()) for document in ranking.documents]
    pairs = list(combinations(range(len(ranking)), 2))
    return {
        COSINE: mean([float(cosines[a, b]) for a, b in pairs]),
        REPEATED: mean([float(place > 0 and cosines[place, :place].max() >= REPEATS) for place in range(len(ranking))]),
        WORDS: mean([len(words[a] & words[b]) / max(1, len(words[a] | words[b])) for a, b in pairs]),
    }


def _table(by_diversity: Mapping[str, Values], *, seed: int) -> str:
    rows, plain = [], by_diversity["0"][NDCG]
    for diversity, values in by_diversity.items():
        told = compare(diversity, "0", {diversity: values[NDCG], "0": plain}, seed=seed)
        shown = [f"{told.difference:+.4f}", f"{told.low:+.4f} to {told.high:+.4f}", p_value(told.p_randomisation)]
        figures = [f"{mean(values[measure]):.3f}" for measure in (COSINE, REPEATED, WORDS)]
        lost = shown if diversity != "0" else ["-"] * len(shown)
        rows.append([diversity, f"{mean(values[NDCG]):.4f}", *lost, *figures])
    return markdown(["diversity", NDCG, "difference", "95 % interval", "p", COSINE, REPEATED, WORDS], rows)


if __name__ == "__main__":
    main(sys.argv[1:])
