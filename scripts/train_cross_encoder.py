"""Mine, teach, train and package the cross-encoder of the wheel.

    pip install torch && pip install -e '.[train]' ./native
    python scripts/train_cross_encoder.py --data ../shared/data/train --work runs/l6

The steps can be run one at a time with --steps mine, teach, train, average or package; each starts from
what the one before left in the work folder. Two seeds can train beside each other, in a process each.
What ships was started from the weights before, which stand in this repository's history (commit 7b1925e): name a folder
of theirs by --start, since without it training goes on from the present ones.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from shortlist.build.models import load_model
from shortlist.inference.biencoder import BiEncoder
from shortlist.protocols import Role
from shortlist.settings import DEFAULT_MODEL
from shortlist.training.averaging import average
from shortlist.training.card import write_card
from shortlist.training.cross_encoder import CrossEncoderStudent
from shortlist.training.ensemble import heard
from shortlist.training.groups import read_groups, write_groups
from shortlist.training.held_out import measured, split_by_query
from shortlist.training.leakage import Seen
from shortlist.training.mining import Mining
from shortlist.training.package import package
from shortlist.training.packaged import LICENCES, TEACHERS, Teacher, by_ensemble, drawn, packaged_groups
from shortlist.training.start import starting_folder
from shortlist.training.train import Moment, Recipe, train
from shortlist.types import Document, Query
from shortlist.weights import find_packaged

MINING = Mining(lexical=3, dense=3, duplicate_cosine=0.92)
RECIPE = Recipe(
    minutes=46,
    groups_per_step=10,
    learning_rate=1e-4,
    label_weight=0.25,
    temperature=1.0,  # the teacher's scores are logits already
    max_length=288,
    tokens_per_batch=4096,
    dev_queries=150,
    report_minutes=11,
    seed=3,
    bf16=True,
)
REFERENCE_QUERY = "How many people live in Berlin?"
REFERENCE_TEXTS = ("Berlin had a population of 3,520,031 in 2019.", "Berlin is well known for its museums.")
OUT = Path(__file__).parents[1] / "src/shortlist/weights/shortlist-minilm-l6"


def mine(data: Path, work: Path) -> None:
    """Write the training groups to `work`."""
    encoder = BiEncoder.load("all-minilm-l6-v2")
    seen = Seen(*evaluation_texts(data.parent / "eval"))
    groups = packaged_groups(
        data, lambda texts: encoder.encode(texts, role=Role.DOCUMENT), mining=MINING, seen=seen, tell=print
    )
    print(write_groups(groups, work / "groups.jsonl.gz"), "groups")


def teach(work: Path, teachers: Sequence[Teacher]) -> None:
    """Have an ensemble of the first stage and of further bi-encoders teach some of the mined groups."""
    groups = drawn(list(read_groups(work / "groups.jsonl.gz")))
    encoders = [BiEncoder.load(teacher.name) for teacher in teachers]
    print(write_groups(by_ensemble(heard(groups, encoders), tell=print), work / "taught.jsonl.gz"), "groups taught")


def evaluation_texts(folder: Path) -> tuple[list[str], list[str]]:
    """Return the queries and the passages of every evaluation collection, which training must not see."""
    queries, passages = [], []
    for collection in sorted(path for path in folder.iterdir() if (path / "queries.jsonl").is_file()):
        queries += [row["text"] for row in _rows(collection / "queries.jsonl")]
        corpus = next(collection.glob("corpus.jsonl*"))
        passages += [row["text"] for row in _rows(corpus)]
    return queries, passages


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    with (gzip.open if file.suffix == ".gz" else open)(file, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def tell(moment: Moment) -> None:
    """Print a report's figures as JSON."""
    if moment.figures:
        print(json.dumps({name: round(value, 4) for name, value in moment.figures.items()}), flush=True)


def measure(work: Path) -> None:
    """Write the averaged model's figures on the groups that the recipe's own seed holds out."""
    groups = list(read_groups(work / "taught.jsonl.gz"))
    dev, _ = split_by_query(groups, RECIPE.dev_queries, random.Random(RECIPE.seed))
    student = CrossEncoderStudent.load(work / "model", RECIPE)
    figures = measured(student, dev, RECIPE)
    (work / "model" / "figures.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")


def pack(work: Path) -> None:
    """Write the packaged model from what the training left in `work`."""
    figures = json.loads((work / "model" / "figures.json").read_text(encoding="utf-8"))
    recipe = json.loads((work / "model" / "recipe.json").read_text(encoding="utf-8"))
    card = {
        "name": "shortlist-minilm-l6",
        "kind": "cross-encoder",
        "family": "BERT",
        "licence": "Apache-2.0",
        "source": "trained by this project (scripts/train_cross_encoder.py) from all-MiniLM-L6-v2, in two recipes: the"
        " first of them made the weights of commit 7b1925e",
        "teachers": {teacher.name: teacher.licence for teacher in TEACHERS},
        "parameters": 22_713_601,
        "languages": ["en"],
        "training_data": LICENCES,
        "training": recipe | {name: round(value, 4) for name, value in figures.items()},
        "document_format": "title, line break, text",
        "long_documents": "passages-short",
        "evaluation": _evaluation(work),
    }
    difference = package(work / "model", OUT, head="classification", max_length=512, card=card, weights="int8")
    print("largest difference from torch", difference)
    for name in (OUT.name, DEFAULT_MODEL):
        refer(name)


def refer(name: str) -> None:
    """Score a packaged model's reference pairs anew, in fp32 on ONNX Runtime, and write them to its card."""
    packaged = find_packaged(name)
    assert packaged is not None
    scorer = load_model(name, engine="onnxruntime", precision="fp32")
    pairs = []
    for text in REFERENCE_TEXTS:
        score = float(scorer.score(Query(REFERENCE_QUERY), [Document(text)]).values[0])
        source = f"measured with ONNX Runtime {version('onnxruntime').rpartition('.')[0]} in fp32"
        about = {"score": round(score, 6), "tolerance": 0.01, "source": source}
        pairs.append({"query": REFERENCE_QUERY, "document": text, **about})
    write_card(packaged.folder, {**packaged.card, "reference": pairs})


def _evaluation(work: Path) -> dict[str, Any]:
    """Return nDCG@10 by collection and system, of `evaluation.json` as benchmarks.quality.two_stage writes it."""
    file = work / "evaluation.json"
    if not file.is_file():
        return {}
    reports = json.loads(file.read_text(encoding="utf-8"))["reports"]
    return {
        report["collection"]: {
            "queries": report["queries"],
            **{
                f"{system}, {experiment}": round(sum(values["nDCG@10"].values()) / len(values["nDCG@10"]), 4)
                for experiment, measured in report["experiments"].items()
                for system, values in measured["systems"].items()
                if not experiment.startswith("sweep")
            },
        }
        for report in reports
    }


def main() -> None:
    """Run the steps that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared/data/train")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=RECIPE.minutes, help="of each training")
    parser.add_argument("--start", default=OUT.name, help="packaged name, folder or owner/name")
    parser.add_argument("--teachers", nargs="*", type=Path, help="their folders, where the hub is out of reach")
    parser.add_argument(
        "--seeds", nargs="+", type=int, default=[RECIPE.seed], help="one training each; they are averaged"
    )
    parser.add_argument("--steps", nargs="+", default=["mine", "teach", "train", "average", "package"])
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    if "mine" in options.steps:
        mine(options.data, options.work)
    if "teach" in options.steps:
        folders = options.teachers or [teacher.name for teacher in TEACHERS]
        teach(options.work, [replace(one, name=str(at)) for one, at in zip(TEACHERS, folders, strict=True)])
    if "train" in options.steps:
        groups = list(read_groups(options.work / "taught.jsonl.gz"))
        start = starting_folder(options.start, options.work / "start")
        for seed in options.seeds:
            recipe = replace(RECIPE, minutes=options.minutes, seed=seed)
            print(train(groups, start, options.work / f"seed-{seed}", recipe, watch=tell))
    if "average" in options.steps:
        average([options.work / f"seed-{seed}" for seed in options.seeds], options.work / "model")
        measure(options.work)
    if "package" in options.steps:
        pack(options.work)


if __name__ == "__main__":
    main()
