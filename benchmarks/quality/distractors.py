"""A first stage that is heavy with distractors: BM25's candidates in a random order, as a TREC run.

    python -m benchmarks.quality.distractors --collection xquad_en --depth 30 --out shuffled_en.trec

It finds what BM25 finds and orders nothing, so the first n passages are mostly distractors that share words with
the question. The order is drawn by `--seed`, and by the query alone.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.quality.collection import data_folder
from shortlist.build.evaluation import evaluate_request
from shortlist.evaluation import Run, write_run
from shortlist.evaluation.request import Request


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collection", required=True)
    parser.add_argument("--depth", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    folder = data_folder() / "eval" / options.collection
    write_run(options.out, bm25_shuffled(folder, depth=options.depth, seed=options.seed))


def bm25_shuffled(folder: Path, *, depth: int, seed: int) -> Run:
    """Search a collection for all of its queries and shuffle what is found."""
    request = Request((f"bm25@{depth}",), ("R@10",), collection=str(folder), permutations=100)
    answers = evaluate_request(request).systems[0].answers
    ranked = {query_id: answer.doc_ids for query_id, answer in answers.items()}
    return shuffled(Run(f"bm25-shuffled-{seed}", ranked), seed=seed)


def shuffled(run: Run, *, seed: int) -> Run:
    """Return the run with each query's documents in a random order of its own."""
    orders = {
        query_id: tuple(random.Random(f"{seed} {query_id}").sample(doc_ids, len(doc_ids)))
        for query_id, doc_ids in run.doc_ids.items()
    }
    return Run(run.name, orders)


if __name__ == "__main__":
    main(sys.argv[1:])
