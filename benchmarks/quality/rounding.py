"""What storing the packaged cross-encoder's weights in int8 may have done to its order.

    python -m benchmarks.quality.rounding --collections trec_dl19 cranfield --draws 2

The weights before rounding are not kept. They are one of all the sets of weights that round to what ships, so some
of these are drawn at random, each number within half a step of the stored one, and score the same candidates. The
shipped weights are the middle of that set, so what a draw changes is what rounding changes: the difference in
nDCG@10 with its interval, and how far the logits move.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from benchmarks.progress import tell
from benchmarks.provenance import as_markdown, provenance
from benchmarks.quality.collection import load_collection
from benchmarks.quality.measure import NDCG, per_query
from benchmarks.quality.precision_effect import first_stage
from benchmarks.quality.tables import differences, markdown
from shortlist.evaluation.collection import drawn
from shortlist.evaluation.significance import compare, corrected
from shortlist.inference.export import export_onnx
from shortlist.inference.export.graph import as_bytes
from shortlist.scorers.cross_encoder import CrossEncoder
from shortlist.training.start import starting_folder
from shortlist.types import Ranking, ScoreKind

_SMALL = 4096  # numbers; what is smaller is not stored in int8 (`inference.export.graph`)


def redrawn(start: Path, out: Path, *, seed: int) -> Path:
    """Write a model whose int8 form is that of `start`; 0 gives `start` itself, in fp32."""
    tensors, chance = load_file(start / "model.safetensors"), np.random.default_rng(seed)
    for name, values in tensors.items():
        if seed and values.ndim == 2 and values.size >= _SMALL:
            # a scale for each output of a linear layer and each row of a table: the rows of a checkpoint, both times
            _, scale = as_bytes(values, axis=1)
            tensors[name] = (values + scale * chance.uniform(-0.5, 0.5, values.shape)).astype(np.float32)
    out.mkdir()
    save_file(tensors, out / "model.safetensors")
    for file in ("config.json", "tokenizer.json"):
        (out / file).write_bytes((start / file).read_bytes())
    export_onnx(out, out, head="classification")
    return out


def ndcg_of(folder: Path, candidates: list[Ranking], qrels: dict[str, dict[str, int]]) -> dict[str, float]:
    """Return every query's nDCG@10 when the model in a folder orders its candidates."""
    with closing(CrossEncoder.load(str(folder))) as scorer:
        run = {}
        for one in candidates:
            logits = scorer.score(one.query, one.documents).values
            run[one.query.query_id] = one.reordered(logits, kind=ScoreKind.LOGIT, stage="cross-encoder").doc_ids
    return per_query(run, qrels)[NDCG]


def main() -> None:
    """Read the command line, score with every draw, print a table a collection."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="shortlist-minilm-l6")
    parser.add_argument("--collections", nargs="+", default=["trec_dl19", "cranfield"])
    parser.add_argument("--queries", type=int, default=0, help="of each collection; 0 for all")
    parser.add_argument("--depth", type=int, default=50)
    parser.add_argument("--draws", type=int, default=2)
    options = parser.parse_args()
    parts = [as_markdown(provenance("benchmarks.quality.rounding", sys.argv[1:]))]
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        start = starting_folder(options.model, work / "start")
        folders = {
            f"draw {seed}" if seed else "shipped": redrawn(start, work / str(seed), seed=seed)
            for seed in range(options.draws + 1)
        }
        for name in options.collections:
            collection = load_collection(name)
            queries = drawn(collection.queries, options.queries, seed=0)
            candidates = [one for one in first_stage(collection, queries, work, depth=options.depth) if len(one) > 1]
            values = {}
            for model, folder in folders.items():
                tell(f"{name}: {model}")
                values[model] = ndcg_of(folder, candidates, collection.qrels)
            rows = [[model, f"{np.mean(list(found.values())):.4f}"] for model, found in values.items()]
            tests = corrected([compare(model, "shipped", values) for model in values if model != "shipped"])
            parts += [f"## {name}: {len(candidates)} queries", markdown(["weights", NDCG], rows), differences(tests)]
    sys.stdout.write("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
