"""Fine-tune the packaged cross-encoder on your own pairs, and compare it with what you began with.

    pip install 'shortlist[train]'
    python examples/fine_tune.py pairs.jsonl my-model

A line of pairs.jsonl is {"query": ..., "passage": ..., "label": 0 or 1}, or {"query": ..., "positive": ...}. This is
`shortlist train --kind cross-encoder --pairs pairs.jsonl --out my-model` with dials of its own; the folder is a model
like any other. Without `kind` both fit a map of the queries' vectors, in a minute or two.
"""

from __future__ import annotations

import sys
from pathlib import Path

from shortlist import Reranker
from shortlist.build.training import Wanted, has_bf16, train_model
from shortlist.training.recipe import Recipe


def main(pairs: Path, out: Path, steps: int = 200) -> None:
    """Train, say what it did to the held-out queries, and rank once with the result."""
    recipe = Recipe(steps=steps, groups_per_step=4, learning_rate=2e-5, head_learning_rate=2e-5, bf16=has_bf16())
    trained = train_model(Wanted([pairs], out, kind="cross-encoder", dev_share=0.2), recipe)
    for warning in trained.warnings:
        print("note:", warning)
    done = trained.card["training"]
    print(f"held-out nDCG@10: {done.get('dev_ndcg_at_start')} before, {done.get('dev_ndcg')} after")
    ranking = Reranker.load(str(out)).rank("How do I undo a commit?", ["git commit", "git revert undoes a commit"])
    print("best:", ranking[0].document.text)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:]))
