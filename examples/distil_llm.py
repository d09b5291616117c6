"""Distil from a language model: it orders candidates of your own queries, and the packaged reranker learns its orders.

    pip install 'shortlist[train,gguf]'
    python examples/distil_llm.py my-folder questions.txt model.gguf my-model

The questions need no labels. Orders that had to be repaired are left out; a better teacher gives a better student, and
whether yours is one, `shortlist evaluate` says. prompt="first" reads an order off one token, which small models can.
With a server instead of a file: Reranker(NAME, server="http://.../v1").
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from shortlist import Reranker, index_paths, open_pipeline
from shortlist.build.training import Wanted, has_bf16, train_model
from shortlist.training.permutations import PermutationRecorder
from shortlist.training.recipe import Recipe


def orders(folder: Path, questions: list[str], model: str, file: Path) -> int:
    """Let the model order the first ten candidates of every question, and return how many orders were usable."""
    with TemporaryDirectory() as made, PermutationRecorder(file) as recorder:
        index_paths([folder], Path(made) / "index")
        teacher = Reranker(model, kind="llm-listwise", prompt="first", record=recorder, window=10, step=5, words=60)
        with open_pipeline(Path(made) / "index", rerank=False) as pipeline:
            for question in questions:
                teacher.rerank(pipeline.search(question, top_k=10, depth=50))
    print(f"{recorder.written} orders, {recorder.repaired} left out")
    return recorder.written


def main(folder: Path, questions: Path, model: str, out: Path, steps: int = 200) -> None:
    """Record the orders, and train on them."""
    file = out.with_suffix(".orders.jsonl.gz")
    if not orders(folder, questions.read_text(encoding="utf-8").splitlines(), model, file):
        raise SystemExit("no answer of this model was an order; take a larger one")
    recipe = Recipe(
        steps=steps, groups_per_step=4, learning_rate=2e-5, head_learning_rate=2e-5, label_weight=0.0, bf16=has_bf16()
    )
    trained = train_model(Wanted([file], out, kind="cross-encoder", dev_share=0.0), recipe)
    print(f"{trained.folder}: {trained.card['training']['steps']:.0f} steps")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]), *map(int, sys.argv[5:]))
