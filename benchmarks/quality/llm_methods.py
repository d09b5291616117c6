"""Measure every way of asking a language model to rerank, on a real model that runs here.

    python -m benchmarks.quality.llm_methods MODEL.gguf --collections trec_dl19 --minutes 15 --json llm.json

BM25's first candidates (trec_dl19: the published run; elsewhere our own BM25 over the whole
collection) are reordered by each method, by the bi-encoder and by the packaged
cross-encoder. Queries are taken in a seeded random order, all systems on one before the
next, until the minutes are over; the table says how many there were. Calls, tokens and
seconds are means a query; seconds are of processor time, so that waiting for a core does not
count (crowded caches and threads that spin still do). Relevant documents are never put in.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.progress import tell
from benchmarks.provenance import as_markdown, provenance
from benchmarks.quality import tables
from benchmarks.quality.collection import Collection, load_collection
from benchmarks.quality.indexing import indexed, work_folder
from benchmarks.quality.measure import NDCG, per_query
from shortlist.evaluation.outcome import mean
from shortlist.evaluation.significance import compare, corrected
from shortlist.generators import LanguageModel, load_language_model
from shortlist.protocols import Reranker
from shortlist.retrieval import BM25
from shortlist.scorers.cosine import Cosine
from shortlist.scorers.cross_encoder import CrossEncoder
from shortlist.scorers.pointwise import Pointwise
from shortlist.scorers.registry import load_reranker
from shortlist.types import Query, Ranking

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
_COUNTED = ("calls", "prompt_tokens", "completion_tokens")


@dataclass(slots=True)
class Taken:
    """What a system ranked, and what it took, query by query."""

    run: dict[str, tuple[str, ...]] = field(default_factory=dict)
    counts: list[dict[str, int]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    repairs: dict[str, int] = field(default_factory=dict)

    def add(self, ranking: Ranking, seconds: float) -> None:
        """Take one query's ranking; what a step counts beside calls and tokens are repairs."""
        counts = ranking.trace.steps[-1].counts if ranking.trace.steps else {}
        self.run[ranking.query.query_id] = ranking.doc_ids
        self.counts.append({name: counts.get(name, 0) for name in _COUNTED})
        self.seconds.append(seconds)
        for name, count in counts.items():
            if "calls" in counts and name not in {*_COUNTED, "documents", "calls_at_most"}:
                self.repairs[name] = self.repairs.get(name, 0) + count


def main(arguments: Sequence[str]) -> None:
    options = _options().parse_args(arguments)
    run = provenance("benchmarks.quality.llm_methods", arguments)
    model = load_language_model(options.model, context=options.context, threads=options.threads, concurrency=1)
    systems = _systems(model, options)
    parts, values = ["# Language models as rerankers\n", as_markdown(run)], {}
    with work_folder(options.work) as work:
        for name in options.collections:
            collection = load_collection(name)
            taken = _measure(collection, systems, work, options)
            parts += _report(collection, taken, options)
            values[name] = {system: asdict(one) for system, one in taken.items()}
    sys.stdout.write("\n".join(parts))
    if options.json:
        options.json.write_text(json.dumps({**run, "collections": values}, indent=1) + "\n", encoding="utf-8")


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="path of a GGUF file")
    parser.add_argument("--collections", nargs="+", default=["trec_dl19", "scifact"], metavar="NAME")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS), metavar="METHOD")
    parser.add_argument("--minutes", type=float, default=15.0, help="no query is begun after so many, a collection")
    parser.add_argument("--seed", type=int, default=0, help="of the queries' order and of the tests")
    parser.add_argument("--depth", type=int, default=20, help="candidates to rerank")
    parser.add_argument("--words", type=int, default=40, help="what is shown of a passage")
    parser.add_argument("--bare", action="store_true", help="without the fence, with the published prompts")
    parser.add_argument("--context", type=int, default=4096, help="tokens of context")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--work", type=Path, help="folder for the word indexes, kept; without it they are temporary")
    parser.add_argument("--json", type=Path, help="file for all values")
    return parser


def _systems(model: LanguageModel, options: argparse.Namespace) -> dict[str, Reranker]:
    asked = {"words": options.words, "fenced": not options.bare, "concurrency": 1}
    small: dict[str, Reranker] = {
        "bi-encoder": Pointwise(Cosine.load("all-minilm-l6-v2", threads=options.threads)),
        "cross-encoder": Pointwise(CrossEncoder.load("shortlist-minilm-l6", threads=options.threads)),
    }
    return small | {
        name: load_reranker(METHODS[name][0], model, **METHODS[name][1], **asked) for name in options.methods
    }


def _measure(
    collection: Collection, systems: dict[str, Reranker], work: Path, options: argparse.Namespace
) -> dict[str, Taken]:
    queries = random.Random(options.seed).sample(collection.queries, len(collection.queries))
    taken = {name: Taken() for name in ("BM25", *systems)}
    until = time.monotonic() + options.minutes * 60
    for done, candidates in enumerate(_first_stage(collection, queries, work, options.depth), 1):
        taken["BM25"].add(candidates, 0.0)
        for name, system in systems.items():
            began = time.process_time()
            taken[name].add(system.rerank(candidates), time.process_time() - began)
        tell(f"{collection.name}: {done} queries, {(until - time.monotonic()) / 60:.1f} min left")
        if time.monotonic() > until:
            break
    return taken


def _first_stage(collection: Collection, queries: Sequence[Query], work: Path, depth: int) -> Iterator[Ranking]:
    if collection.candidates is not None:
        for query in queries:
            yield Ranking.in_order(query, collection.given(query, depth=depth), stage="bm25")
        return
    with indexed(collection, work, encoder=None) as made:
        for query in queries:
            yield BM25(made.index).retrieve(query, depth=depth)


def _report(collection: Collection, taken: dict[str, Taken], options: argparse.Namespace) -> Iterator[str]:
    measured = {
        name: per_query(one.run, collection.qrels, relevant_from=collection.relevant_from)
        for name, one in taken.items()
    }
    ndcg = {name: values[NDCG] for name, values in measured.items()}
    count = len(ndcg["BM25"])
    yield (
        f"## {collection.name}: {count} of {len(collection.queries)} queries, BM25's first {options.depth},"
        f" {options.words} words of each passage{'' if options.bare else ', fenced'}\n"
    )
    yield tables.markdown(
        ["system", NDCG, "calls", "tokens read", "tokens written", "CPU seconds", "repairs (all queries)"],
        [[name, f"{mean(ndcg[name]):.4f}".removeprefix("0"), *_costs(one)] for name, one in taken.items()],
    )
    if count > 1:
        compared = [compare(name, "BM25", ndcg, seed=options.seed) for name in taken if name != "BM25"]
        yield tables.differences(corrected(compared))


def _costs(one: Taken) -> list[str]:
    queries = len(one.counts)
    repairs = ", ".join(f"{name} {count}" for name, count in sorted(one.repairs.items())) or "-"
    means = [f"{sum(counts[name] for counts in one.counts) / queries:.0f}" for name in _COUNTED]
    return [*means, f"{sum(one.seconds) / queries:.1f}", repairs]


if __name__ == "__main__":
    main(sys.argv[1:])
