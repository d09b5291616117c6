"""Measure every way of asking a language model to rerank, on a real model that runs here.

    python -m benchmarks.quality.llm_methods MODEL.gguf --collections trec_dl19 --save llm.jsonl

BM25's first candidates (trec_dl19: the published run; elsewhere our own BM25 over the whole
collection) are reordered by each method, by the bi-encoder, by the packaged cross-encoder
and by the packaged default. Queries are taken in a seeded random order, all systems on one
before the next, until there are enough of them or the minutes are over; the table says how
many there were. Calls, tokens and seconds are means a query; seconds are of processor time,
so that waiting for a core does not count (crowded caches and threads that spin still do).
Relevant documents are never put in.

With `--save` every answer is written down at once, and a second run asks only what is not
there yet. `--again cross-encoder default` asks these anew: after other weights of the
packaged models that is all there is to do, and takes a minute.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.progress import tell
from benchmarks.provenance import as_markdown, provenance, weights_of
from benchmarks.quality import tables
from benchmarks.quality.collection import Collection, load_collection
from benchmarks.quality.indexing import indexed, work_folder
from benchmarks.quality.llm_answered import COUNTED, Answered, Saved
from benchmarks.quality.measure import NDCG, per_query
from shortlist import Reranker as Named
from shortlist.evaluation.outcome import mean
from shortlist.evaluation.significance import compare, corrected
from shortlist.generators.load import load_language_model
from shortlist.generators.model import LanguageModel
from shortlist.protocols import Reranker
from shortlist.retrieval import BM25
from shortlist.scorers.cosine import Cosine
from shortlist.scorers.cross_encoder import CrossEncoder
from shortlist.scorers.pointwise import Pointwise
from shortlist.scorers.registry import load_reranker
from shortlist.settings import DEFAULT_MODEL
from shortlist.types import Query, Ranking

CROSS_ENCODER, BI_ENCODER = "shortlist-minilm-l6", "all-minilm-l6-v2"

METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "query likelihood": ("llm-likelihood", {}),
    "yes/no": ("llm-pointwise", {}),
    "graded 0-4": ("llm-pointwise", {"judge": "graded"}),
    "listwise, RankGPT": ("llm-listwise", {}),
    "listwise, RankZephyr": ("llm-listwise", {"prompt": "rankzephyr"}),
    "listwise, first token": ("llm-listwise", {"prompt": "first"}),
    "listwise, first token, 3 shuffles": ("llm-listwise", {"prompt": "first", "permutations": 3}),
    "pairwise, all pairs": ("llm-pairwise", {"sort": "all-pairs", "choice": "logprobs"}),
    "pairwise, sliding, top 1": ("llm-pairwise", {"sort": "sliding", "top": 1, "choice": "logprobs"}),
    "pairwise, heap, top 10": ("llm-pairwise", {"choice": "logprobs"}),
    "setwise, text, top 5": ("llm-setwise", {"children": 4, "top": 5}),
    "setwise, logprobs, top 5": ("llm-setwise", {"children": 4, "top": 5, "choice": "logprobs"}),
}
SMALL = ("bi-encoder", "cross-encoder", "default")
Taken = dict[str, list[Answered]]  # by system, an answer a query


def main(arguments: Sequence[str]) -> None:
    options = _options().parse_args(arguments)
    sys.stdout.write("# Language models as rerankers\n\n")
    sys.stdout.write(as_markdown(provenance("benchmarks.quality.llm_methods", arguments)))
    weights = weights_of([BI_ENCODER, CROSS_ENCODER, DEFAULT_MODEL])
    sys.stdout.write("\nWeights (SHA-256): " + ", ".join(f"{name} {sha}" for name, sha in weights.items()) + "\n")
    saved, systems = Saved(options.save, again=options.again), _Systems(options)
    with work_folder(options.work) as work:
        for name in options.collections:
            collection = load_collection(name)
            taken = _measure(collection, systems, saved, work, options)
            sys.stdout.write("\n".join(_report(collection, taken, options)))


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="path of a GGUF file")
    parser.add_argument("--collections", nargs="+", default=["trec_dl19", "scifact"], metavar="NAME")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS), metavar="METHOD")
    parser.add_argument("--queries", type=int, default=0, help="how many; 0 takes all")
    parser.add_argument("--minutes", type=float, default=15.0, help="no query is begun after so many, a collection")
    parser.add_argument("--seed", type=int, default=0, help="of the queries' order and of the tests")
    parser.add_argument("--depth", type=int, default=20, help="candidates to rerank")
    parser.add_argument("--words", type=int, default=40, help="what is shown of a passage")
    parser.add_argument("--bare", action="store_true", help="without the fence, with the published prompts")
    parser.add_argument("--context", type=int, default=4096, help="tokens of context")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--work", type=Path, help="folder for the word indexes, kept; without it they are temporary")
    parser.add_argument("--save", type=Path, help="file of JSON lines that keeps every answer")
    parser.add_argument("--again", nargs="+", default=[], metavar="SYSTEM", help="ask these anew, saved or not")
    return parser


class _Systems:
    """What reorders candidates, by name; each is loaded when it is first asked."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._loaded: dict[str, Reranker] = {}
        self._model: LanguageModel | None = None
        self.names = (*SMALL, *options.methods)

    def __getitem__(self, name: str) -> Reranker:
        if name not in self._loaded:
            self._loaded[name] = self._small(name) if name in SMALL else self._asking(name)
        return self._loaded[name]

    def _small(self, name: str) -> Reranker:
        threads = self._options.threads
        if name == "bi-encoder":
            return Pointwise(Cosine.load(BI_ENCODER, threads=threads))
        if name == "cross-encoder":
            return Pointwise(CrossEncoder.load(CROSS_ENCODER, threads=threads))
        return Named.load(threads=threads)

    def _asking(self, name: str) -> Reranker:
        given = self._options
        if self._model is None:
            self._model = load_language_model(given.model, context=given.context, threads=given.threads, concurrency=1)
        kind, choices = METHODS[name]
        return load_reranker(kind, self._model, words=given.words, fenced=not given.bare, concurrency=1, **choices)


def _measure(collection: Collection, systems: _Systems, saved: Saved, work: Path, options: argparse.Namespace) -> Taken:
    queries = random.Random(options.seed).sample(collection.queries, options.queries or len(collection.queries))
    taken: Taken = {name: [] for name in ("BM25", *systems.names)}
    until = time.monotonic() + options.minutes * 60
    for done, candidates in enumerate(_first_stage(collection, queries, work, options.depth), 1):
        setting = _setting(collection, options)
        taken["BM25"].append(Answered.of(setting, "BM25", candidates, 0.0))
        for name in systems.names:
            known = saved.get(setting, name, candidates.query.query_id)
            if known is None:
                reranker = systems[name]
                began = time.process_time()
                known = Answered.of(setting, name, reranker.rerank(candidates), time.process_time() - began)
                saved.add(known)
            taken[name].append(known)
        tell(f"{collection.name}: {done} queries, {(until - time.monotonic()) / 60:.1f} min left")
        if time.monotonic() > until:
            break
    return taken


def _setting(collection: Collection, options: argparse.Namespace) -> str:
    fence = "" if options.bare else ", fenced"
    return f"{collection.name}, BM25's first {options.depth}, {options.words} words of each passage{fence}"


def _first_stage(collection: Collection, queries: Sequence[Query], work: Path, depth: int) -> Iterator[Ranking]:
    if collection.candidates is not None:
        for query in queries:
            yield Ranking.in_order(query, collection.given(query, depth=depth), stage="bm25")
        return
    with indexed(collection, work, encoder=None) as made:
        for query in queries:
            yield BM25(made.index).retrieve(query, depth=depth)


def _report(collection: Collection, taken: Taken, options: argparse.Namespace) -> Iterator[str]:
    ndcg = {name: _ndcg(collection, answers) for name, answers in taken.items()}
    count = len(ndcg["BM25"])
    yield f"\n## {_setting(collection, options)}: {count} of {len(collection.queries)} queries\n"
    yield tables.markdown(
        ["system", NDCG, "calls", "tokens read", "tokens written", "CPU seconds", "repairs (all queries)"],
        [[name, f"{mean(ndcg[name]):.4f}".removeprefix("0"), *_costs(answers)] for name, answers in taken.items()],
    )
    if count > 1:
        for baseline, compared in (("BM25", list(ndcg)[1:]), ("cross-encoder", options.methods)):
            found = [compare(name, baseline, ndcg, seed=options.seed) for name in compared]
            yield tables.differences(corrected(found))


def _ndcg(collection: Collection, answers: Sequence[Answered]) -> dict[str, float]:
    run = {one.query_id: one.doc_ids for one in answers}
    return dict(per_query(run, collection.qrels, relevant_from=collection.relevant_from)[NDCG])


def _costs(answers: Sequence[Answered]) -> list[str]:
    repairs = sum((Counter(one.repairs) for one in answers), Counter[str]())
    means = [f"{sum(one.counts.get(name, 0) for one in answers) / len(answers):.0f}" for name in COUNTED]
    seconds = sum(one.seconds for one in answers) / len(answers)
    named = ", ".join(f"{name} {count}" for name, count in sorted(repairs.items())) or "-"
    return [*means, f"{seconds:.2f}", named]


if __name__ == "__main__":
    main(sys.argv[1:])
