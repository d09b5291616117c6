"""Measure what people say of two-stage retrieval: each claim, our figure, its interval, and whether they agree.

    python -m benchmarks.claims.run --work claims --json claims.json

A claim is kept when the whole 95 % interval lies in its range, broken when none of it does, and open
otherwise: then more queries decide. trec_dl19's published BM25 run is reranked by the bi-encoder, the
cross-encoder that was trained from it, a larger one and (if named) a listwise model; hybrid search over the
collections of `--hybrid` by the default model; answers come from xquad. Latencies are those of this
machine while it measures, of the reranking stage alone. Relevant documents are never put into the candidates.
`--given '' --hybrid --answers NAME` and the like measure a part.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.claims.answers import Answering, about_answers, about_context, answer, look
from benchmarks.claims.large import named
from benchmarks.claims.retrieval import (
    Models,
    Sizes,
    about_given,
    about_hybrid,
    about_listwise,
    rerank_given,
    rerank_hybrid,
    rerank_listwise,
)
from benchmarks.claims.rows import Row, as_table
from benchmarks.progress import tell
from benchmarks.provenance import as_markdown, keep, provenance, weights_of
from benchmarks.quality.collection import data_folder
from benchmarks.quality.indexing import work_folder
from shortlist.build.generators import load_generator
from shortlist.settings import DEFAULT_ENCODER, DEFAULT_MODEL

_RUN = "BM25.trec"


def main(arguments: Sequence[str]) -> None:
    options = _options().parse_args(arguments)
    run = provenance("benchmarks.claims.run", arguments)
    weights = weights_of([options.cross_encoder, options.bi_encoder, options.default])
    rows = []
    with work_folder(options.work) as work:
        for row in _rows(options, data_folder() / "eval", work):
            tell(f"{row.verdict}: {row.claim}: {row.figure}")
            rows.append(row)
            # after every row: a killed run keeps what it found
            keep(options.json, {**run, "weights": weights, "rows": [asdict(row) for row in rows]})
    told = "".join(f"- {name}: {checksum}\n" for name, checksum in weights.items())
    sys.stdout.write(f"# Claims\n\n{as_markdown(run)}\nWeights (SHA-256):\n\n{told}\n{as_table(rows)}")


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=50, help="drawn from --given; 0 for all")
    parser.add_argument("--hybrid-queries", type=int, default=30, help="drawn from each of --hybrid; 0 for all")
    parser.add_argument("--depth", type=int, default=50, help="candidates of the published run to rerank")
    parser.add_argument("--depths", nargs="+", type=int, default=[50, 100, 200], help="candidates of hybrid search")
    parser.add_argument("--questions", type=int, default=100, help="whose passages are looked through; 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--given", default="trec_dl19", help="collection with candidates/BM25.trec; '' leaves it out")
    parser.add_argument("--hybrid", nargs="*", default=["scifact", "cranfield"], metavar="NAME")
    parser.add_argument("--answers", nargs="*", default=["xquad_en", "xquad_de"], metavar="NAME")
    parser.add_argument("--cross-encoder", default="shortlist-minilm-l6")
    parser.add_argument("--bi-encoder", default=DEFAULT_ENCODER)
    parser.add_argument("--default", default=DEFAULT_MODEL, help="what reranks hybrid search and passages for answers")
    parser.add_argument(
        "--large",
        default="random:bert-base",
        help="a larger cross-encoder: folder, hub name, or a random one of a shape",
    )
    parser.add_argument("--listwise", default="", help="as `shortlist evaluate` names it: MODEL[kind=llm-listwise]")
    parser.add_argument("--listwise-queries", type=int, default=8, help="with 20 candidates each")
    parser.add_argument("--generator", default="", help="a GGUF file, or a model on --server")
    parser.add_argument("--answered", type=int, default=10, help="questions for the generator")
    parser.add_argument("--server", default="none", help="an OpenAI-compatible server")
    parser.add_argument("--round-trips", nargs="+", type=float, default=[20.0, 100.0], metavar="MS", help="simulated")
    parser.add_argument("--hosted-ms", type=float, default=170.0, help="assumed time in the service (OCI, Cohere 3.5)")
    parser.add_argument("--work", type=Path, help="folder for the indexes, kept; without it they are temporary")
    parser.add_argument("--json", type=Path, help="file for all rows")
    return parser


def _rows(options: argparse.Namespace, evaluation: Path, work: Path) -> Iterator[Row]:
    sizes = Sizes(options.queries, options.depth, options.seed)
    models = Models(
        options.cross_encoder,
        options.bi_encoder,
        options.default,
        large=named(options.large, work, like=options.cross_encoder),
        listwise=options.listwise,
    )
    generator = load_generator(options.generator, server=options.server) if options.generator else None
    asked = Answering(options.questions, options.answered, generator)
    if options.given:
        folder = evaluation / options.given
        given = rerank_given(folder, _RUN, models, sizes, work)
        yield from about_given(given, round_trips_ms=options.round_trips, hosted_ms=options.hosted_ms)
        few = Sizes(options.listwise_queries, 20, options.seed)
        listwise = rerank_listwise(folder, _RUN, models, few) if models.listwise else None
        yield from about_listwise(listwise, models.listwise)
    deepest = Sizes(options.hybrid_queries, max(options.depths), options.seed)
    for name in options.hybrid:
        yield from about_hybrid(rerank_hybrid(evaluation / name, models, deepest, work), options.depths)
    for name in options.answers:
        folder = evaluation / name
        yield from about_context(look(folder, models, asked, work, seed=options.seed))
        yield from about_answers(answer(folder, models, asked, work, seed=options.seed) if generator else None)


if __name__ == "__main__":
    main(sys.argv[1:])
