"""nDCG@10 of given candidates reranked to every depth, with documents read whole and in part.

    python -m benchmarks.quality.depth_curve --json figures.json

The published BM25 top 100 of TREC DL 2019 are scored once by the bi-encoder and by the
cross-encoder, which reads 32, 64 and 512 tokens of a pair; every depth, the packaged sum, the
cascade "bi-encoder first, cross-encoder on its best" and the sum on the candidates that are most
promising before it reads any ("promising first") follow from these scores. The JSON
holds the points as `shortlist plan --quality` reads them, and the values by query.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.progress import Progress
from benchmarks.provenance import as_markdown, keep, provenance
from benchmarks.quality.collection import Collection, load_collection
from benchmarks.quality.measure import NDCG, per_query
from benchmarks.quality.tables import markdown
from shortlist.build.models import blend_parts, load_part
from shortlist.evaluation import mean
from shortlist.evaluation.collection import drawn
from shortlist.inference.biencoder import BiEncoder
from shortlist.planning.quality import PROMISING
from shortlist.scorers.blend import Blend
from shortlist.scorers.cosine import Cosine
from shortlist.scorers.cross_encoder import CrossEncoder
from shortlist.types import Document, Query, Ranking, ScoreKind

_COLLECTION = "trec_dl19"
_ENCODER, _CROSS, _SUM = "all-minilm-l6-v2", "shortlist-minilm-l6", "shortlist-l6"
_DEPTHS = (3, 5, 10, 15, 20, 30, 40, 50, 75, 100)
_WHOLE, _BESIDE = 512, 1  # keys beside the lengths: 0 is the bi-encoder's cosine, 1 what the sum adds to the logit

Scored = dict[str, npt.NDArray[np.float32]]  # query_id -> scores [candidates], in the candidates' order
Curve = dict[int, dict[str, float]]  # depth -> query_id -> value


def main(arguments: Sequence[str]) -> None:
    options = _options().parse_args(arguments)
    run = provenance("benchmarks.quality.depth_curve", arguments)
    collection = load_collection(_COLLECTION)
    queries = drawn(collection.queries, options.queries, seed=options.seed)
    scored, read = _score(collection, queries, options.tokens)
    curves = {(model, share, after): curve for model, share, after, curve in _curves(collection, queries, scored, read)}
    points = [
        _point(model, depth, share, after, values)
        for (model, share, after), c in curves.items()
        for depth, values in c.items()
    ]
    sys.stdout.write(f"# nDCG@10 by depth, {len(queries)} queries\n\n{as_markdown(run)}\n{_table(curves)}")
    keep(options.json, {"collection": _COLLECTION, "points": points, "run": run})


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=0, help="how many, drawn with the seed; 0 takes all")
    parser.add_argument("--tokens", nargs="+", type=int, default=(32, 64), help="of a pair, besides all of it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file for the points and all values")
    return parser


def _score(
    collection: Collection, queries: Sequence[Query], tokens: Sequence[int]
) -> tuple[dict[int, Scored], dict[int, float]]:
    """Score every candidate; return scores by tokens (see `_BESIDE`) and the share of the tokens read."""
    cosine = Cosine(BiEncoder.load(_ENCODER))
    others = [part for part in blend_parts(_SUM) if part["kind"] != "cross-encoder"]
    beside = Blend([(load_part(part, None, {}), part["weight"]) for part in others])
    models = {limit: CrossEncoder.load(_CROSS, max_length=limit) for limit in (*tokens, _WHOLE)}
    scored: dict[int, Scored] = {limit: {} for limit in (0, _BESIDE, *models)}
    lost, total = dict.fromkeys(models, 0), 0
    progress = Progress("scoring", len(queries), unit="queries")
    for query in queries:
        documents = collection.given(query, depth=max(_DEPTHS))
        scored[0][query.query_id] = cosine.score(query, documents).values
        scored[_BESIDE][query.query_id] = beside.score(query, documents).values
        for limit, model in models.items():
            scores = model.score(query, documents)
            scored[limit][query.query_id] = scores.values
            lost[limit] += sum(cut.total - cut.seen for cut in scores.step.truncations)
            if limit == _WHOLE:
                total += scores.step.counts["tokens"]
        progress.step()
    return scored, {0: 1.0, _BESIDE: 1.0} | {limit: 1 - lost[limit] / (total + lost[_WHOLE]) for limit in models}


def _curves(
    collection: Collection, queries: Sequence[Query], scored: Mapping[int, Scored], read: Mapping[int, float]
) -> list[tuple[str, float, str, Curve]]:
    cosine = scored[0]
    by_cosine, by_known = (
        {query_id: _order(values, len(values)) for query_id, values in scores.items()}
        for scores in (cosine, scored[_BESIDE])
    )
    found = [(_ENCODER, 1.0, "", _curve(collection, queries, cosine))]
    for limit in sorted(limit for limit in scored if limit > _BESIDE):
        cross = scored[limit]
        both = {query_id: values + scored[_BESIDE][query_id] for query_id, values in cross.items()}
        for model, values in ((_CROSS, cross), (_SUM, both)):
            found.append((model, read[limit], "", _curve(collection, queries, values)))
            found.append((model, read[limit], _ENCODER, _curve(collection, queries, values, by_cosine)))
        found.append((_SUM, read[limit], PROMISING, _curve(collection, queries, both, by_known)))
    return found


def _curve(
    collection: Collection,
    queries: Sequence[Query],
    scored: Scored,
    first: Mapping[str, Sequence[int]] | None = None,
) -> Curve:
    """Rerank the first `depth` candidates, those behind keep their order; `first` is their order when not as given."""
    curve: Curve = {}
    for depth in (0, *_DEPTHS):
        run = {}
        for query in queries:
            documents = collection.given(query, depth=max(_DEPTHS))
            order = list(first[query.query_id]) if first else list(range(len(documents)))
            values = scored[query.query_id][order]
            places = [order[place] for place in _order(values, depth)] + order[depth:]
            run[query.query_id] = [documents[place].doc_id for place in places]
        curve[depth] = per_query(run, collection.qrels, relevant_from=collection.relevant_from)[NDCG]
    return curve


def _order(values: npt.NDArray[np.float32], depth: int) -> list[int]:
    """Return the first `depth` places by score, through the one place that sorts."""
    documents = [Document("", str(place)) for place in range(len(values[:depth]))]
    ranked = Ranking.from_scores(Query("any"), documents, values[:depth], kind=ScoreKind.LOGIT, stage="curve")
    return [int(doc_id) for doc_id in ranked.doc_ids]


def _point(model: str, depth: int, share: float, after: str, values: Mapping[str, float]) -> dict[str, Any]:
    return {
        "model": model,
        "depth": depth,
        "read": round(share, 3),
        "after": after,
        "value": round(mean(values), 4),
        "by_query": {query_id: round(value, 4) for query_id, value in values.items()},
    }


def _table(curves: Mapping[tuple[str, float, str], Curve]) -> str:
    rows = [
        [f"{model}{f' after {after}' if after else ''}", f"{share:.0%}", *(f"{mean(curve[d]):.4f}"[1:] for d in curve)]
        for (model, share, after), curve in curves.items()
    ]
    return markdown(["model", "read", *map(str, (0, *_DEPTHS))], rows)


if __name__ == "__main__":
    main(sys.argv[1:])
