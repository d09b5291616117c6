"""What fine-tuning on a user's own queries is worth: folds by query, from 50 labelled queries up.

    python -m benchmarks.quality.finetune --collection cosqa --work indexes --out finetune.json

Every query is scored by a model that has seen none of its fold. The packaged blend is fine-tuned on
the other folds' queries in two ways: by a map of its bi-encoder's query vectors, as
`shortlist train` does unless told otherwise (`--kinds query-map`; the map's strength is chosen on
folds within those queries), and by its cross-encoder, with negatives mined from the collection's
own index (`--kinds cross-encoder`). What it reorders is our hybrid first stage's list, which is measured too.
Relevant documents are never put into the candidates. `--peer-folds N` also trains the same start
on the same groups, in the same steps, with sentence-transformers' CrossEncoderTrainer, and ours
without the blend, on the first N folds. The file is written after every training, and a run that
is started again goes on from it. The models that come out are for this table only: no packaged
model has seen an evaluation collection.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.progress import tell
from benchmarks.provenance import as_markdown, keep, provenance
from benchmarks.quality import tables
from benchmarks.quality.collection import Collection, load_collection
from benchmarks.quality.indexing import indexed
from benchmarks.quality.measure import NDCG, per_query
from benchmarks.quality.peer_trainer import train_peer
from shortlist.build.models import blend_parts, load_part
from shortlist.build.training import has_bf16
from shortlist.evaluation.significance import compare, corrected
from shortlist.inference.biencoder import BiEncoder
from shortlist.inference.export import export_onnx
from shortlist.protocols import Role, Scorer
from shortlist.retrieval import BM25, Dense, Hybrid, Index
from shortlist.scorers.blend import Blend
from shortlist.scorers.cached import Cached
from shortlist.scorers.cosine import cosines, mapped
from shortlist.scorers.cross_encoder import CrossEncoder
from shortlist.settings import DEFAULT_MODEL, Settings
from shortlist.training.blending import with_offset
from shortlist.training.building import Building, groups_of
from shortlist.training.examples import Asked, Examples, Judged
from shortlist.training.groups import Group
from shortlist.training.negatives import Filter, Miner, Window
from shortlist.training.query_map import Labelled, choose
from shortlist.training.recipe import Recipe
from shortlist.training.start import starting_folder
from shortlist.training.train import train
from shortlist.types import Query, Ranking

FOLDS = 5
DEPTH = 20
NEGATIVES = 4
# Labelled queries -> times that each is read; few are read more often.
EPOCHS = {50: 4.0, 200: 1.5, 0: 1.0}
RECIPE = Recipe(
    groups_per_step=8, learning_rate=5e-5, head_learning_rate=5e-5, warmup=0.1, label_weight=1.0, max_length=192,
    dev_queries=0, bf16=has_bf16(), report_steps=10**6,
)  # fmt: skip

KINDS = ("query-map", "cross-encoder")

Values = dict[str, float]  # query_id -> nDCG@10


@dataclass(frozen=True, slots=True)
class Setting:
    """What every training of one run shares; `beside` is the packaged blend without its cross-encoder.

    `scores`: of each query's candidates, by each kind of part. `labelled`: the collection as vectors.
    """

    collection: Collection
    candidates: Mapping[str, Ranking]
    beside: Blend
    start: Path
    scores: Mapping[str, Mapping[str, list[float]]]
    labelled: Labelled
    groups: Mapping[str, list[Group]]


def main(arguments: Sequence[str]) -> None:
    """Run all folds and print the tables."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    collection = load_collection(options.collection)
    encoder = BiEncoder.load(Settings().encoder, threads=options.threads)
    done: dict[str, Any] = json.loads(options.out.read_text()) if options.out.is_file() else {}
    with indexed(collection, options.work, encoder=encoder) as found, tempfile.TemporaryDirectory() as scratch:
        setting = _setting(collection, found.index, encoder, Path(scratch), done, options)
        for name, fold, training in _trainings(options):
            if f"{name}/{fold}" not in done.setdefault("trainings", {}):
                tell(f"{name}, fold {fold}")
                done["trainings"][f"{name}/{fold}"] = training(setting, fold, Path(scratch) / f"{name}-{fold}")
                keep(options.out, done)
    done["provenance"] = provenance("benchmarks.quality.finetune", arguments)
    keep(options.out, done)
    sys.stdout.write(report(done))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collection", default="cosqa")
    parser.add_argument("--work", type=Path, required=True, help="where indexes are kept")
    parser.add_argument("--out", type=Path, required=True, help="every query's values; a run goes on from it")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="what is fine-tuned")
    parser.add_argument("--folds", type=int, default=FOLDS, help="train on so many of the five folds only")
    parser.add_argument("--peer-folds", type=int, default=0)
    parser.add_argument("--filter-share", type=float, default=0.9, help="0: take mined negatives unfiltered")
    parser.add_argument("--labelled", type=int, nargs="+", default=list(EPOCHS), help="of 50, 200 and 0 (all)")
    parser.add_argument("--threads", type=int, default=1)
    return parser


Training = Callable[[Setting, int, Path], dict[str, Any]]


def _trainings(options: argparse.Namespace) -> list[tuple[str, int, Training]]:
    listed: list[tuple[str, int, Training]] = []
    for labelled in options.labelled:
        for kind in options.kinds:
            training = _map(labelled) if kind == "query-map" else _cross_encoder(train, labelled, blended=True)
            listed += [(f"{kind}, {labelled or 'all'} queries", fold, training) for fold in range(options.folds)]
    for fold in range(options.peer_folds):
        listed.append(("ours without the blend", fold, _cross_encoder(train, 0, blended=False)))
        listed.append(("sentence-transformers", fold, _cross_encoder(train_peer, 0, blended=False)))
    return listed


def _setting(
    collection: Collection, index: Index, encoder: BiEncoder, scratch: Path, done: dict[str, Any], options: Any
) -> Setting:
    """Retrieve candidates, mine negatives with the packaged model's help, and measure what there is before training."""
    parts = {part["kind"]: (load_part(part, encoder, {}), part["weight"]) for part in blend_parts(DEFAULT_MODEL)}
    name = next(part["model"] for part in blend_parts(DEFAULT_MODEL) if part["kind"] == "cross-encoder")
    current, _ = parts["cross-encoder"]
    beside = Blend([part for kind, part in parts.items() if kind != "cross-encoder"])
    hybrid = Hybrid([BM25(index), Dense(index, encoder)])
    candidates = {query.query_id: hybrid.retrieve(query, depth=DEPTH) for query in collection.queries}
    scores = _kept(options.out.with_suffix(".scores.json"), lambda: _by_part(candidates, parts))
    labelled = _labelled(collection, encoder, options.out.with_suffix(".vectors.npz"))
    setting = Setting(collection, candidates, beside, starting_folder(name, scratch / "start"), scores, labelled, {})
    if "before" not in done:
        done["before"] = _before(setting)
        keep(options.out, done)
    if options.kinds == ["query-map"] and not options.peer_folds:
        return setting
    filtered = Filter(Blend([(Cached(current), 1.0), (beside, 1.0)]), options.filter_share)
    rows = _kept(
        options.out.with_suffix(".groups.json"),
        lambda: {
            query_id: [_row(group) for group in some]
            for query_id, some in _mined(
                collection, index, encoder, filtered if options.filter_share else None, setting
            ).items()
        },
    )
    return replace(setting, groups={query_id: [_group(row) for row in some] for query_id, some in rows.items()})


def _kept(file: Path, make: Callable[[], Any]) -> Any:
    """Read what an earlier run left in a file, or make it and leave it there."""
    if not file.is_file():
        file.write_text(json.dumps(make()))
    return json.loads(file.read_text())


def _by_part(
    candidates: Mapping[str, Ranking], parts: Mapping[str, tuple[Scorer, float]]
) -> dict[str, dict[str, list[float]]]:
    tell(f"scoring {DEPTH} candidates of {len(candidates)} queries")
    return {
        query_id: {
            kind: scorer.score(ranking.query, ranking.documents).values.tolist() for kind, (scorer, _) in parts.items()
        }
        for query_id, ranking in candidates.items()
    }


def _labelled(collection: Collection, encoder: BiEncoder, kept: Path) -> Labelled:
    if not kept.is_file():
        tell(f"encoding {len(collection.documents)} documents")
        texts = [document.full_text for document in collection.documents.values()]
        queries = encoder.encode([query.text for query in collection.queries], role=Role.QUERY)
        np.savez(kept, queries=queries, passages=encoder.encode(texts, role=Role.DOCUMENT))
    places = {doc_id: place for place, doc_id in enumerate(collection.documents)}
    labels = np.zeros((len(collection.queries), len(places)), np.float32)
    for row, query in enumerate(collection.queries):
        for doc_id, grade in collection.qrels[query.query_id].items():
            if doc_id in places:
                labels[row, places[doc_id]] = max(0, grade)
    vectors = np.load(kept)
    return Labelled(vectors["queries"], vectors["passages"], labels)


def _row(group: Group) -> list[Any]:
    return [group.query, group.passages, group.labels, group.offset]


def _group(row: Sequence[Any]) -> Group:
    return Group(row[0], tuple(row[1]), (), "pairs", labels=tuple(row[2]), offset=tuple(row[3]))


def _mined(
    collection: Collection, index: Index, encoder: BiEncoder, filtered: Filter | None, setting: Setting
) -> dict[str, list[Group]]:
    windows = [Window(BM25(index), 1, DEPTH, NEGATIVES // 2), Window(Dense(index, encoder), 1, DEPTH, NEGATIVES // 2)]
    miner = Miner(windows, keep=filtered, encoder=encoder)
    groups: dict[str, list[Group]] = {}
    for query in collection.queries:
        relevant = [doc_id for doc_id, grade in collection.qrels[query.query_id].items() if grade > 0]
        passages = [
            Judged(collection.documents[doc_id].full_text, 1.0, None, 0)
            for doc_id in relevant
            if doc_id in collection.documents
        ]
        examples = Examples([Asked(query.text, passages)], len(passages), [])
        made = list(groups_of(examples, Building(negatives=NEGATIVES, positives=3), miner))
        groups[query.query_id] = list(with_offset(made, [(setting.beside, 1.0)]))
    tell(f"mined: {miner.mined}, {sum(map(len, groups.values()))} groups")
    return groups


def _before(setting: Setting) -> dict[str, Values]:
    alone = {
        kind: {query_id: _ordered(setting, query_id, scores[kind]) for query_id, scores in setting.scores.items()}
        for kind in ("cross-encoder", "bi-encoder")
    }
    return {
        "hybrid": _values(setting, {q: list(ranking.doc_ids) for q, ranking in setting.candidates.items()}),
        "packaged": _values(
            setting, {q: _ordered(setting, q, _summed(scores)) for q, scores in setting.scores.items()}
        ),
        "packaged cross-encoder alone": _values(setting, alone["cross-encoder"]),
        "packaged cosine alone": _values(setting, alone["bi-encoder"]),
    }


def _summed(scores: Mapping[str, Sequence[float]]) -> Sequence[float]:
    """Add a packaged blend's parts up."""
    weights = {part["kind"]: part["weight"] for part in blend_parts(DEFAULT_MODEL)}
    return [float(total) for total in sum(weight * np.asarray(scores[kind]) for kind, weight in weights.items())]


def _ordered(setting: Setting, query_id: str, scores: Sequence[float]) -> list[str]:
    ranking = setting.candidates[query_id]
    values = np.asarray(scores, np.float32)
    found = Ranking.from_scores(ranking.query, ranking.documents, values, kind=ranking.score_kind, stage="x")
    return list(found.doc_ids)


def _scored(
    setting: Setting, scorer: Scorer, candidates: Mapping[str, Ranking]
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return the orders by the cross-encoder alone, and in the blend."""
    alone: dict[str, list[str]] = {}
    blended: dict[str, list[str]] = {}
    for query_id, ranking in candidates.items():
        logits = scorer.score(ranking.query, ranking.documents).values
        added = setting.beside.score(ranking.query, ranking.documents).values
        alone[query_id] = _ordered(setting, query_id, logits.tolist())
        blended[query_id] = _ordered(setting, query_id, (logits + added).tolist())
    return alone, blended


def _values(setting: Setting, orders: Mapping[str, Sequence[str]]) -> Values:
    return dict(per_query(orders, setting.collection.qrels)[NDCG])


def folds(queries: Sequence[Query]) -> list[list[str]]:
    """Return the query_ids of five folds; the draw does not depend on the collection's order."""
    query_ids = sorted(query.query_id for query in queries)
    random.Random(0).shuffle(query_ids)
    return [query_ids[fold::FOLDS] for fold in range(FOLDS)]


def _split(setting: Setting, fold: int, labelled: int) -> tuple[list[Group], list[str]]:
    """Return the groups of `labelled` queries of the other folds (0: of all), and the queries held out."""
    chosen, held_out = split(setting.collection.queries, fold, labelled)
    return [group for query_id in chosen for group in setting.groups[query_id]], held_out


def split(queries: Sequence[Query], fold: int, labelled: int) -> tuple[list[str], list[str]]:
    """Return `labelled` queries of the other folds (0: all), and those of this one."""
    parts = folds(queries)
    others = [query_id for place, part in enumerate(parts) if place != fold for query_id in part]
    random.Random(fold).shuffle(others)
    return others[:labelled] if labelled else others, parts[fold]


def _recipe(groups: Sequence[Group], labelled: int) -> Recipe:
    return replace(RECIPE, steps=round(EPOCHS[labelled] * len(groups) / RECIPE.groups_per_step))


def _map(labelled: int) -> Training:
    def run(setting: Setting, fold: int, folder: Path) -> dict[str, Any]:
        chosen, held_out = split(setting.collection.queries, fold, labelled)
        rows = {query.query_id: row for row, query in enumerate(setting.collection.queries)}
        columns = {doc_id: column for column, doc_id in enumerate(setting.collection.documents)}
        began, wall = time.process_time(), time.monotonic()
        found = choose(setting.labelled.of([rows[query_id] for query_id in chosen]), chosen, seed=fold)
        cpu_s, wall_s = time.process_time() - began, time.monotonic() - wall
        alone, blend = {}, {}
        for query_id in held_out:
            query = mapped(setting.labelled.queries[[rows[query_id]]], found.values)[0]
            passages = [columns[doc_id] for doc_id in setting.candidates[query_id].doc_ids]
            cosine = cosines(setting.labelled.passages[passages], query).tolist()
            alone[query_id] = _ordered(setting, query_id, cosine)
            blend[query_id] = _ordered(setting, query_id, _summed({**setting.scores[query_id], "bi-encoder": cosine}))
        values = {"alone": _values(setting, alone), "blend": _values(setting, blend)}
        return {"queries": len(chosen), "decay": found.decay, "cpu_s": cpu_s, "wall_s": wall_s, **values}

    return run


def _cross_encoder(trainer: Callable[..., object], labelled: int, *, blended: bool) -> Training:
    def run(setting: Setting, fold: int, folder: Path) -> dict[str, Any]:
        groups, held_out = _split(setting, fold, labelled)
        if not blended:
            groups = [replace(group, offset=()) for group in groups]
        recipe = _recipe(groups, labelled)
        began, wall = time.process_time(), time.monotonic()
        trainer(groups, setting.start, folder, recipe)
        return _outcome(setting, groups, recipe, folder, held_out, time.process_time() - began, time.monotonic() - wall)

    return run


def _outcome(
    setting: Setting,
    groups: Sequence[Group],
    recipe: Recipe,
    folder: Path,
    held_out: Sequence[str],
    cpu_s: float,
    wall_s: float,
) -> dict[str, Any]:
    export_onnx(folder, folder, head="classification")
    scorer = CrossEncoder.load(str(folder), threads=torch.get_num_threads())
    alone, blended = _scored(setting, scorer, {query_id: setting.candidates[query_id] for query_id in held_out})
    scorer.close()
    pairs = recipe.steps * recipe.groups_per_step * (1 + NEGATIVES)
    return {
        "groups": len(groups),
        "steps": recipe.steps,
        "pairs": pairs,
        "cpu_s": cpu_s,
        "wall_s": wall_s,
        "alone": _values(setting, alone),
        "blend": _values(setting, blended),
    }


def report(done: Mapping[str, Any]) -> str:
    """Return the tables over the folds that are there."""
    lines = [as_markdown(done["provenance"]), ""]
    names = list(dict.fromkeys(key.rpartition("/")[0] for key in done["trainings"]))
    for how in ("blend", "alone"):
        systems: dict[str, Values] = {}
        for name in names:
            some = [one for key, one in done["trainings"].items() if key.rpartition("/")[0] == name]
            systems[name] = {q: value for one in some for q, value in one[how].items()}
        lines += _compared(systems, done["before"], how)
    lines.append(
        tables.markdown(
            ["training", "CPU seconds a fold", "pairs/s of CPU time", "steps"], _speeds(done["trainings"], names)
        )
    )
    return "\n".join(lines)


def _compared(systems: Mapping[str, Values], before: Mapping[str, Values], how: str) -> list[str]:
    comparisons, rows = [], []
    for name, values in systems.items():
        part = "cosine" if name.startswith("query-map") else "cross-encoder"
        baseline = "packaged" if how == "blend" else f"packaged {part} alone"
        table = {name: values, baseline: {q: before[baseline][q] for q in values}}
        comparisons.append(compare(name, baseline, table))
        first_stage = [before["hybrid"][q] for q in values]
        means = [np.mean(first_stage), np.mean(list(table[baseline].values())), np.mean(list(values.values()))]
        rows.append([f"{name} ({len(values)})", *(f"{value:.4f}".removeprefix("0") for value in means)])
    if {"sentence-transformers", "ours without the blend"} <= systems.keys():
        comparisons.append(compare("ours without the blend", "sentence-transformers", systems))
    header = [f"{how} (queries)", "hybrid", "packaged", "fine-tuned"]
    return [tables.markdown(header, rows), tables.differences(corrected(comparisons))]


def _speeds(trainings: Mapping[str, Any], names: Sequence[str]) -> list[list[str]]:
    rows = []
    for name in names:
        some = [one for key, one in trainings.items() if key.rpartition("/")[0] == name]
        seconds = f"{np.mean([one['cpu_s'] for one in some]):.1f}"
        speed = f"{np.mean([one['pairs'] / one['cpu_s'] for one in some]):.1f}" if "pairs" in some[0] else "-"
        steps = f"{np.mean([one['steps'] for one in some]):.0f}" if "steps" in some[0] else "-"
        rows.append([name, seconds, speed, steps])
    return rows


if __name__ == "__main__":
    main(sys.argv[1:])
