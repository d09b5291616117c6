"""What an exit before the first layer saves and loses: documents read, and nDCG beside the whole model's.

    python -m benchmarks.quality.exits --work indexes --kept scores --json exits.json

Candidates are BM25's. Every document is scored once, by what is known without reading it and by the whole model; the
product's own `CheapFirst` then chooses by these scores, with the packaged margins, and with margins of the collection's
own queries: fitted on one half and counted on the other, both ways. A query loses when one of the whole model's first
`top_k` is not among those of the exits. `--kept` names a folder for the scores, so that they need not be made again.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.progress import Progress
from benchmarks.provenance import as_markdown, keep, provenance, weights_of
from benchmarks.quality.collection import Collection, load_collection
from benchmarks.quality.indexing import work_folder
from benchmarks.quality.precision_effect import first_stage
from benchmarks.quality.tables import markdown
from shortlist.build.exits import PACKAGED, Exits, load_exits, packaged_margins
from shortlist.evaluation import Measure, outcome
from shortlist.evaluation import Run as EvaluatedRun
from shortlist.evaluation.collection import drawn
from shortlist.evaluation.report.figures import p_value
from shortlist.evaluation.significance import compare
from shortlist.pipeline import CheapFirst
from shortlist.protocols import Reranker
from shortlist.scorers.pointwise import Pointwise
from shortlist.scorers.pruning import Floats, safe_margin
from shortlist.settings import DEFAULT_MODEL
from shortlist.types import Document, Query, Ranking, ScoreKind, Scores, Step

FIRST, CHEAP, WHOLE, OWN = "first stage", "without reading", "whole", "own margins"
WITH_PACKAGED = f"{PACKAGED} margins"
DEPTHS = {"trec_dl19": 100}  # of the others, 50: their documents are longer
Scored = Mapping[str, Floats]  # query_id -> [2, candidates], without reading and whole


@dataclass(frozen=True, slots=True)
class Reranked:
    """A query's first `top_k` by one system, and how many of its candidates were read."""

    top: tuple[str, ...]
    read: int
    candidates: int


class Known:
    """Scores that were made before, by query_id and doc_id."""

    def __init__(self, candidates: Sequence[Ranking], scored: Scored, row: int) -> None:
        self.fingerprint = f"known {row}"
        self._scores = {
            (ranking.query.query_id, doc_id): value
            for ranking in candidates
            for doc_id, value in zip(ranking.doc_ids, scored[ranking.query.query_id][row], strict=True)
        }

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        """Return one score a document, `[documents]` in input order."""
        values = np.asarray([self._scores[query.query_id, d.doc_id] for d in documents], np.float32)
        return Scores(values, ScoreKind.WEIGHTED_SUM, Step(self.fingerprint))


def main(arguments: Sequence[str]) -> None:
    options = _options().parse_args(arguments)
    run = {**provenance("benchmarks.quality.exits", arguments), "weights": weights_of([DEFAULT_MODEL])}
    sys.stdout.write(f"# Exits before the first layer\n\n{as_markdown(run)}")
    model = load_exits(DEFAULT_MODEL, options={"precision": options.precision, "engine": options.engine})
    values = {}
    with work_folder(options.work) as work:
        for name in options.collections:
            collection = load_collection(name)
            queries = drawn(collection.queries, options.queries, seed=options.seed)
            depth = options.depth or DEPTHS.get(name, 50)
            candidates = [ranking for ranking in first_stage(collection, queries, work, depth=depth) if len(ranking)]
            scored = dict(scores_of(model, name, candidates, options.kept))
            sys.stdout.write(f"\n## {name}, {len(candidates)} queries of {depth} candidates\n")
            for top_k in options.top_ks:
                systems = {system: dict(found) for system, found in systems_of(candidates, scored, top_k, options.risk)}
                sys.stdout.write(f"\n{_table(collection, systems, top_k, seed=options.seed)}")
                values[f"{name}@{top_k}"] = {
                    system: {query_id: asdict(one) for query_id, one in found.items()}
                    for system, found in systems.items()
                }
    model.close()
    keep(options.json, {**run, "queries": values})


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collections", nargs="+", default=("trec_dl19", "cranfield", "scifact"), metavar="NAME")
    parser.add_argument("--queries", type=int, default=0, help="drawn from each collection; 0 for all")
    parser.add_argument("--depth", type=int, default=0, help="candidates a query; 0 for 100 of trec_dl19, else 50")
    parser.add_argument("--top-ks", nargs="+", type=int, default=(1, 5, 10))
    parser.add_argument("--risk", type=float, default=0.05, help="of the collection's own margins")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="folder for the indexes, kept; without it they are temporary")
    parser.add_argument("--kept", type=Path, help="folder for the scores, kept; without it they are made anew")
    parser.add_argument("--json", type=Path, help="file for every query's first top_k and documents read")
    return parser


def scores_of(
    model: Exits, name: str, candidates: Sequence[Ranking], kept: Path | None
) -> Iterator[tuple[str, Floats]]:
    """Yield each query's scores; those kept count when they are of the same model and candidates."""
    progress = Progress(f"{name}: scoring", len(candidates), unit="queries")
    for ranking in candidates:
        asked = "\n".join([model.fingerprint, ranking.query.text, *ranking.doc_ids])
        file = None if kept is None else kept / name / f"{hashlib.sha256(asked.encode()).hexdigest()[:24]}.npy"
        if file is not None and file.is_file():
            yield ranking.query.query_id, np.load(file, allow_pickle=False)
        else:
            scores = model.scores(ranking.query, ranking.documents)
            if file is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
                np.save(file, scores)
            yield ranking.query.query_id, scores
        progress.step()


def systems_of(
    candidates: Sequence[Ranking], scored: Scored, top_k: int, risk: float
) -> Iterator[tuple[str, Iterator[tuple[str, Reranked]]]]:
    """Yield every system's name with what it makes of each query; `scored` are the candidates' scores."""
    cheap, whole = (Known(candidates, scored, row) for row in (0, 1))

    def with_margins(margins: Mapping[int, float]) -> CheapFirst:
        return CheapFirst(cheap, Pointwise(whole), margins=margins)

    def both_ways() -> Iterator[tuple[str, Reranked]]:
        for fold in (0, 1):
            early, final = zip(*(scored[ranking.query.query_id] for ranking in candidates[fold::2]), strict=True)
            margin = safe_margin(early, final, top_k=top_k, risk=risk)
            yield from _asked(with_margins({top_k: margin}), candidates[1 - fold :: 2], top_k)

    packaged = {fitted: margins[0] for fitted, margins in packaged_margins().by_top_k.items()}
    yield FIRST, ((one.query.query_id, Reranked(one.doc_ids[:top_k], 0, len(one))) for one in candidates)
    yield CHEAP, _asked(Pointwise(cheap), candidates, top_k)
    yield WHOLE, _asked(with_margins({top_k: math.inf}), candidates, top_k)
    yield WITH_PACKAGED, _asked(with_margins(packaged), candidates, top_k)
    yield OWN, both_ways()


def _asked(reranker: Reranker, candidates: Sequence[Ranking], top_k: int) -> Iterator[tuple[str, Reranked]]:
    for ranking in candidates:
        found = reranker.rerank(ranking, top_k=top_k)
        read = sum(step.counts.get("read", 0) for step in found.trace.steps)
        yield ranking.query.query_id, Reranked(found.doc_ids, read, len(ranking))


def _table(collection: Collection, systems: Mapping[str, Mapping[str, Reranked]], top_k: int, *, seed: int) -> str:
    measure = Measure("nDCG", top_k)
    ndcg = {}
    for name, found in systems.items():
        run = EvaluatedRun(name, {query_id: one.top for query_id, one in found.items()})
        qrels = {query_id: collection.qrels[query_id] for query_id in found}
        ndcg[name] = outcome.per_query(run, qrels, [measure])[str(measure)]
    header = ["", str(measure), "documents read", "queries that lose one", "less the whole", "95 % interval", "p"]
    return markdown(header, [_row(name, systems, ndcg, seed) for name in systems])


def _row(
    name: str,
    systems: Mapping[str, Mapping[str, Reranked]],
    ndcg: Mapping[str, Mapping[str, float]],
    seed: int,
) -> list[str]:
    found, whole = systems[name], systems[WHOLE]
    row = [name, f"{np.mean(list(ndcg[name].values())):.4f}"]
    row.append(f"{sum(one.read for one in found.values()) / sum(one.candidates for one in found.values()):.1%}")
    if name == WHOLE:
        return [*row, "", "", "", ""]
    lost = sum(set(one.top) != set(whole[query_id].top) for query_id, one in found.items())
    aligned = {name: {query_id: ndcg[name][query_id] for query_id in whole}, WHOLE: ndcg[WHOLE]}
    told = compare(name, WHOLE, aligned, seed=seed)
    interval = f"{told.low:+.4f} to {told.high:+.4f}"
    return [*row, f"{lost} of {len(found)}", f"{told.difference:+.4f}", interval, p_value(told.p_randomisation)]


if __name__ == "__main__":
    main(sys.argv[1:])
