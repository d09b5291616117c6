"""Measure the whole search: BM25, bi-encoder, hybrid, and hybrid with the cross-encoder on top.

    python -m benchmarks.quality.two_stage --model shortlist-minilm-l6 --work indexes --json two_stage.json

For scifact, cranfield, cosqa and xquad_en the first stage is our own index (experiment
"search"). For scifact, cranfield and trec_dl19 the same BM25 candidates are also reordered
by the bi-encoder's cosine, by the cross-encoder, and by the sum
`logit + W * cosine + B * BM25 over word pieces` (experiment "rerank of BM25"); trec_dl19's
candidates are the published BM25 run. Relevant documents are never put into the candidates:
what the first stage misses stays missed.
`--sweep` reorders the same candidates with several W and B; what is picked from it is
tuned on these collections. Markdown goes to stdout, progress to stderr, per-query values to `--json`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.progress import Progress, tell
from benchmarks.provenance import as_markdown, keep, provenance
from benchmarks.quality import tables
from benchmarks.quality.collection import Collection, load_collection
from benchmarks.quality.indexing import indexed, work_folder
from benchmarks.quality.measure import NDCG, per_query
from shortlist.build.models import blend_parts
from shortlist.evaluation import PerQuery
from shortlist.evaluation.collection import drawn
from shortlist.evaluation.significance import Comparison, compare, corrected
from shortlist.inference.biencoder import BiEncoder
from shortlist.retrieval import BM25, Dense, Hybrid, Index
from shortlist.scorers.blend import Blend
from shortlist.scorers.cached import Cached
from shortlist.scorers.cosine import Cosine
from shortlist.scorers.cross_encoder import CrossEncoder
from shortlist.scorers.pointwise import Pointwise
from shortlist.scorers.token_bm25 import TokenBM25
from shortlist.settings import Settings
from shortlist.types import Query, Ranking

SEARCH, RERANK, SWEEP = "search", "rerank of BM25", "sweep of W and B over BM25"
COLLECTIONS = ("scifact", "cranfield", "cosqa", "xquad_en", "trec_dl19")
RERANKED = ("scifact", "cranfield", "trec_dl19")  # where BM25's candidates are also reordered
SWEPT = tuple((cosine, words) for cosine in (0.0, 10.0, 20.0, 40.0) for words in (0.0, 0.1, 0.2, 0.4))

_DEFAULT = Settings()  # an instance: on the slotted class itself the defaults are descriptors

Rankings = Iterator[tuple[str, str, Ranking]]  # experiment, system, ranking
Runs = dict[str, dict[str, dict[str, tuple[str, ...]]]]  # experiment -> system -> query_id -> doc_ids


@dataclass(frozen=True, slots=True)
class Models:
    """The models that are measured; scores of a pair are computed once a run."""

    encoder: BiEncoder
    cross_encoder: Cached
    words: Cached
    blend: tuple[float, float]
    swept: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Experiment:
    """The systems' figures on the same queries, and the comparisons that belong in one table."""

    systems: dict[str, PerQuery]
    comparisons: list[Comparison]


@dataclass(frozen=True, slots=True)
class Report:
    """All experiments on one collection, over `queries` of `queries_there`."""

    collection: str
    queries: int
    queries_there: int
    relevant_from: int
    index: str
    experiments: dict[str, Experiment]


def main(arguments: Sequence[str]) -> None:
    options = _options().parse_args(arguments)
    run = provenance("benchmarks.quality.two_stage", arguments)
    models = _load(options)
    with work_folder(options.work) as work:
        reports = [_measure(load_collection(name), models, work, options) for name in options.collections]
    run["models"] = {
        "cross-encoder": models.cross_encoder.fingerprint,
        "bi-encoder": models.encoder.fingerprint,
        "blend": models.blend,
    }
    sys.stdout.write(_markdown(run, reports, options))
    keep(options.json, _values(run, reports, options))


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="shortlist-minilm-l6", help="cross-encoder: packaged name or folder")
    parser.add_argument("--encoder", default=_DEFAULT.encoder, help="bi-encoder: packaged name or folder")
    parser.add_argument("--engine", default="auto", help="auto, openvino or onnxruntime")
    parser.add_argument("--precision", default="auto", help="auto, fp32, bf16 or int8")
    parser.add_argument("--collections", nargs="+", default=COLLECTIONS, metavar="NAME")
    parser.add_argument("--queries", type=int, default=50, help="drawn from each collection; 0 for all")
    parser.add_argument("--seed", type=int, default=0, help="of the draw and of the tests")
    parser.add_argument("--depth", type=int, default=100, help="candidates to rerank")
    parser.add_argument("--blend", nargs=2, type=float, default=packaged_weights(), metavar=("W", "B"))
    parser.add_argument("--sweep", action="store_true", help=f"also (W, B) = {', '.join(map(str, SWEPT))}")
    parser.add_argument("--work", type=Path, help="folder for the indexes, kept; without it they are temporary")
    parser.add_argument("--json", type=Path, help="file for all values")
    return parser


def _load(options: argparse.Namespace) -> Models:
    where: dict[str, Any] = {"engine": options.engine, "precision": options.precision}
    cross_encoder = Cached(CrossEncoder.load(options.model, **where), size=1_000_000)
    encoder, words = BiEncoder.load(options.encoder, **where), Cached(TokenBM25.load(), size=1_000_000)
    return Models(encoder, cross_encoder, words, tuple(options.blend), SWEPT if options.sweep else ())


def packaged_weights() -> tuple[float, float]:
    """Return the weights of cosine and BM25 in the packaged sum."""
    weights = {part["kind"]: float(part["weight"]) for part in blend_parts(_DEFAULT.model)}
    return weights["bi-encoder"], weights.get("token-bm25", 0.0)


def _measure(collection: Collection, models: Models, work: Path, options: argparse.Namespace) -> Report:
    queries = drawn(collection.queries, options.queries, seed=options.seed)
    with indexed(collection, work, encoder=models.encoder) as made:
        runs = _runs(collection, queries, made.index, models, depth=options.depth)
    experiments = {name: _experiment(name, found, collection, seed=options.seed) for name, found in runs.items()}
    return Report(
        collection.name, len(queries), len(collection.queries), collection.relevant_from, made.history, experiments
    )


def _runs(collection: Collection, queries: Sequence[Query], index: Index, models: Models, *, depth: int) -> Runs:
    cosine = Cosine(models.encoder)
    progress = Progress(f"{collection.name}: reranking", len(queries), unit="queries")
    runs: Runs = {}
    for query in queries:
        for experiment, system, ranking in _rankings(collection, query, index, models, cosine, depth):
            runs.setdefault(experiment, {}).setdefault(system, {})[query.query_id] = ranking.doc_ids
        progress.step()
    return runs


def _rankings(
    collection: Collection, query: Query, index: Index, models: Models, cosine: Cosine, depth: int
) -> Rankings:
    bm25 = BM25(index)
    if collection.candidates is None:
        yield from _search(bm25, Dense(index, models.encoder), query, models, cosine, depth)
    if collection.name not in RERANKED:
        return
    if collection.candidates is None:
        candidates = bm25.retrieve(query, depth=depth)
    else:
        given = [index.get(document.doc_id) for document in collection.given(query, depth=depth)]
        candidates = Ranking.in_order(query, given, stage="bm25")
    yield from _rerank(candidates, models, cosine)


def _search(bm25: BM25, dense: Dense, query: Query, models: Models, cosine: Cosine, depth: int) -> Rankings:
    hybrid = Hybrid((bm25, dense)).retrieve(query, depth=depth)
    yield SEARCH, "BM25", bm25.retrieve(query, depth=depth)
    yield SEARCH, "bi-encoder", dense.retrieve(query, depth=depth)
    yield SEARCH, "hybrid", hybrid
    yield SEARCH, "hybrid + cross-encoder", Pointwise(models.cross_encoder).rerank(hybrid)
    blend = _sum(models, cosine, models.blend)
    yield SEARCH, "hybrid + sum", Pointwise(blend).rerank(hybrid)


def _rerank(candidates: Ranking, models: Models, cosine: Cosine) -> Rankings:
    yield RERANK, "BM25", candidates
    yield RERANK, "bi-encoder", Pointwise(cosine).rerank(candidates)
    yield RERANK, "cross-encoder", Pointwise(models.cross_encoder).rerank(candidates)
    blend = _sum(models, cosine, models.blend)
    yield RERANK, "sum", Pointwise(blend).rerank(candidates)
    for weights in models.swept:
        yield (
            SWEEP,
            f"W = {weights[0]:g}, B = {weights[1]:g}",
            Pointwise(_sum(models, cosine, weights)).rerank(candidates),
        )


def _sum(models: Models, cosine: Cosine, weights: tuple[float, float]) -> Blend:
    return Blend([(models.cross_encoder, 1.0), (cosine, weights[0]), (models.words, weights[1])])


_COMPARED = {
    SEARCH: [
        ("hybrid", "BM25"),
        ("hybrid", "bi-encoder"),
        ("hybrid + cross-encoder", "hybrid"),
        ("hybrid + sum", "hybrid"),
        ("hybrid + sum", "hybrid + cross-encoder"),
    ],
    RERANK: [
        ("bi-encoder", "BM25"),
        ("cross-encoder", "BM25"),
        ("sum", "BM25"),
        ("cross-encoder", "bi-encoder"),
        ("sum", "bi-encoder"),
        ("sum", "cross-encoder"),
    ],
    SWEEP: [],
}


def _experiment(
    name: str, systems: Mapping[str, Mapping[str, tuple[str, ...]]], collection: Collection, *, seed: int
) -> Experiment:
    values = {s: per_query(run, collection.qrels, relevant_from=collection.relevant_from) for s, run in systems.items()}
    ndcg = {system: measured[NDCG] for system, measured in values.items()}
    tell(f"{collection.name}: testing the differences of {name!r}")
    comparisons = corrected([compare(system, baseline, ndcg, seed=seed) for system, baseline in _COMPARED[name]])
    return Experiment(values, comparisons)


def _markdown(run: dict[str, Any], reports: Sequence[Report], options: argparse.Namespace) -> str:
    parts = ["# Two stages\n", as_markdown(run), _models_line(run, options)]
    for name in (SEARCH, RERANK, SWEEP):
        found = {
            report.collection: report.experiments[name].systems for report in reports if name in report.experiments
        }
        if found:
            parts += [f"## {NDCG}: {name}\n", tables.across(NDCG, found)]
    for report in reports:
        parts += _details(report)
    return "\n".join(parts)


def _models_line(run: dict[str, Any], options: argparse.Namespace) -> str:
    models = run["models"]
    return (
        f"Cross-encoder {models['cross-encoder']}; bi-encoder {models['bi-encoder']}; depth {options.depth};"
        f" sum = logit + {models['blend'][0]:g} * cosine + {models['blend'][1]:g} * BM25;"
        f" queries drawn with seed {options.seed}.\n"
    )


def _details(report: Report) -> Iterator[str]:
    yield (
        f"## {report.collection}: {report.queries} of {report.queries_there} queries, R and RR count relevance"
        f" from {report.relevant_from}\n"
    )
    for name, experiment in report.experiments.items():
        yield f"### {name}\n"
        yield tables.figures(experiment.systems)
        if experiment.comparisons:
            yield f"p (Holm): randomisation p corrected over this table's {len(experiment.comparisons)} comparisons.\n"
            yield tables.differences(experiment.comparisons)


def _values(run: dict[str, Any], reports: Sequence[Report], options: argparse.Namespace) -> dict[str, Any]:
    return {**run, "depth": options.depth, "seed": options.seed, "reports": [asdict(report) for report in reports]}


if __name__ == "__main__":
    main(sys.argv[1:])
