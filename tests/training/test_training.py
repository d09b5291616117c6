"""Mining, losses, the loop and packaging, on a tiny model that is made here."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'train'")
transformers = pytest.importorskip("transformers", reason="needs the extra 'train'")
pytest.importorskip("bm25s", reason="needs the extra 'train'")

from safetensors.torch import load_file

from shortlist.build.indexing import index_paths
from shortlist.build.reranker import Reranker
from shortlist.build.training import Wanted, train_model
from shortlist.errors import CorruptModelError, InputError, ModelNotFoundError, UnsupportedModelError
from shortlist.inference.biencoder import BiEncoder
from shortlist.inference.export.stages import exit_layers
from shortlist.inference.load import available_engines, installed_engines
from shortlist.inference.models import find_model
from shortlist.protocols import Role
from shortlist.scorers.cross_encoder import CrossEncoder
from shortlist.settings import DEFAULT_ENCODER
from shortlist.training.averaging import average
from shortlist.training.bi_encoder import BiEncoderStudent
from shortlist.training.cross_encoder import CrossEncoderStudent
from shortlist.training.groups import Group, Pair, read_groups, write_groups
from shortlist.training.held_out import measured, split_by_query
from shortlist.training.mining import Mining, mine
from shortlist.training.model import TrainableCrossEncoder
from shortlist.training.package import package
from shortlist.training.train import Recipe, train, train_student
from shortlist.types import Document, Query

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

COLOURS = ("red", "green", "blue", "black", "white", "yellow")
THREE = [(a, b, c) for a in COLOURS for b in COLOURS for c in COLOURS if a < b < c]


def hashed(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Encode by word counts: a real, if simple, encoder."""
    vectors = np.zeros((len(texts), 64), np.float32)
    for row, text in enumerate(texts):
        for word in text.split():
            vectors[row, sum(word.encode()) % 64] += 1
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return vectors


def pairs() -> list[Pair]:
    things = ("house", "car", "ball", "tree", "door")
    return [
        Pair(f"which thing is {colour} {thing}", f"the {thing} that i saw was {colour} {thing}", "colours")
        for colour in COLOURS
        for thing in things
    ]


def test_groups_hold_the_positive_first_and_never_again() -> None:
    groups = list(mine(pairs(), ["a distractor", "another one"], hashed, Mining(depth=10, duplicate_cosine=0.999)))
    positives = {pair.query: pair.passage for pair in pairs()}
    assert len(groups) == len(positives)
    for group in groups:
        assert group.passages[0] == positives[group.query]
        assert len(set(group.passages)) == len(group.passages) == len(group.teacher) == 6


def test_mining_is_the_same_every_time() -> None:
    assert list(mine(pairs(), [], hashed, Mining(seed=3))) == list(mine(pairs(), [], hashed, Mining(seed=3)))


def test_groups_survive_the_disk(tmp_path: Path) -> None:
    groups = [Group("q", ("a", "ü"), (0.5, -0.25), "s")]
    assert write_groups(groups, tmp_path / "g.gz") == 1
    assert list(read_groups(tmp_path / "g.gz")) == groups


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A two-layer BERT with the packaged vocabulary."""
    return made_bert(tmp_path_factory.mktemp("tiny"), layers=2)


def made_bert(
    folder: Path, *, layers: int, of: Any = transformers.BertModel, dtype: Any = torch.float32, **more: Any
) -> Path:
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=30522, hidden_size=32, num_hidden_layers=layers, num_attention_heads=4, intermediate_size=64, **more
    )
    of(config).to(dtype).save_pretrained(folder)
    tokenizer = find_model(DEFAULT_ENCODER).path / "tokenizer.json"
    (folder / "tokenizer.json").write_bytes(tokenizer.read_bytes())
    return folder


def test_the_short_forward_pass_equals_the_whole_one(tiny: Path) -> None:
    model = TrainableCrossEncoder.from_encoder(tiny).eval()
    ids = torch.randint(1000, 2000, (3, 17))
    types = torch.zeros_like(ids)
    types[:, 5:] = 1
    mask = torch.ones_like(ids)
    mask[1, 9:] = 0
    with torch.inference_mode():
        short = model(ids, types, mask)
        whole = model.classifier(input_ids=ids, token_type_ids=types, attention_mask=mask).logits[:, 0]
    assert torch.allclose(short, whole, atol=1e-5)


def test_training_learns_and_what_it_leaves_can_be_packaged_and_run(tiny: Path, tmp_path: Path) -> None:
    words = [f"{a} {b}" for a in COLOURS for b in COLOURS]
    groups = [Group(w, (f"good {w}", *(f"bad {w} {i}" for i in range(5))), (0.5,) * 6, "made") for w in words] * 3
    recipe = Recipe(steps=25, learning_rate=3e-3, dev_queries=30, label_weight=1.0)
    figures = train(groups, tiny, tmp_path / "model", recipe)
    assert figures["steps"] == 25
    assert figures["dev_rr"] > 0.9  # one of six at random has .41
    assert json.loads((tmp_path / "model" / "recipe.json").read_text())["steps"] == 25
    card = {"name": "tiny", "kind": "cross-encoder", "licence": "none", "parameters": 1, "languages": []}
    difference = package(tmp_path / "model", tmp_path / "out", head="classification", max_length=128, card=card)
    assert difference < 0.02
    assert set(json.loads((tmp_path / "out" / "card.json").read_text())["sha256"]) == {
        "model.onnx",
        "tokenizer.json",
        "config.json",
    }
    scorer = CrossEncoder.load(str(tmp_path / "out"), precision="fp32")
    documents = [Document("the car that i saw was red"), Document("word " * 300, "long")]
    scores = scorer.score(Query("which car is red"), documents)
    assert np.isfinite(scores.values).all()
    assert scores.step.truncations[0].seen == 128 - 3 - 4


def repeated(count: int) -> list[Group]:
    words = [f"{a} {b}" for a in COLOURS for b in COLOURS][:count]
    return [Group(w, (f"good {w}", f"bad {w} 1", f"bad {w} 2"), (), "made") for w in words]


KILLED = """
import os, signal, sys
from pathlib import Path
from typing import Any
import torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[4])
from tests.training.test_training import repeated
from shortlist.training.train import Recipe, train, train_student

def watch(moment):
    if moment.step == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

train(repeated(36), Path(sys.argv[1]), Path(sys.argv[2]), Recipe(**RECIPE), watch=watch)
"""


def test_a_run_that_was_killed_goes_on_to_the_very_same_weights(tiny: Path, tmp_path: Path) -> None:
    dials: dict[str, Any] = {
        "steps": 14,
        "report_steps": 4,
        "groups_per_step": 5,
        "dev_queries": 6,
        "accumulate": 2,
        "patience": 9,
    }
    recipe = Recipe(**dials)
    train(repeated(36), tiny, tmp_path / "whole", recipe)
    code = KILLED.replace("RECIPE", repr(dials))
    arguments = [str(tiny), str(tmp_path / "cut"), "10", str(Path(__file__).parents[2])]
    killed = subprocess.run([sys.executable, "-c", code, *arguments], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    seen: list[int] = []
    figures = train(repeated(36), tiny, tmp_path / "cut", recipe, watch=lambda moment: seen.append(moment.step))
    assert seen == [9, 10, 11, 12, 13, 14]
    whole, cut = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "cut"))
    assert whole.keys() == cut.keys()
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
    assert figures["steps"] == 14


@pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("student", [CrossEncoderStudent, BiEncoderStudent])
def test_weights_are_trained_in_fp32_however_they_are_stored(student: Any, stored: Any, tmp_path: Path) -> None:
    start, recipe = made_bert(tmp_path / "start", layers=2, dtype=stored), Recipe(steps=2, dev_queries=0)
    train_student(student.load(start, recipe), repeated(12), start, tmp_path / "out", recipe)
    assert {tensor.dtype for tensor in load_file(tmp_path / "out" / "model.safetensors").values()} == {torch.float32}


@pytest.mark.parametrize("kind", ["cross-encoder", "bi-encoder"])
def test_texts_longer_than_a_model_reads_are_refused(kind: str, tmp_path: Path) -> None:
    short = made_bert(tmp_path / "short", layers=2, max_position_embeddings=64)
    with pytest.raises(InputError, match="max_length must be 64 or less, which is what the model to train reads"):
        train_asked(kind, short, tmp_path)


def test_what_cannot_be_trained_is_refused_before_a_teacher_is_asked(tmp_path: Path) -> None:
    of = transformers.BertForSequenceClassification
    two = made_bert(tmp_path / "two", layers=2, of=of, num_labels=2)
    with pytest.raises(UnsupportedModelError, match="gives 2 scores a pair; only models that give one"):
        train_asked("cross-encoder", two, tmp_path, teachers=["there is none of this name"])


def test_a_teacher_that_is_not_there_is_told_before_negatives_are_mined(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="no model 'nobody'"):
        train_asked("cross-encoder", tiny, tmp_path, index=tmp_path / "nowhere", teachers=["nobody"])


def train_asked(kind: str, start: Path, folder: Path, **more: Any) -> None:
    rows = [{"query": f"is {a}", "positive": a, "negatives": [f"no {a}"]} for a in COLOURS]
    (folder / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    train_model(Wanted([folder / "data.jsonl"], folder / "model", kind, str(start), **more), Recipe(steps=1))


def test_a_run_of_one_step_learns(tiny: Path, tmp_path: Path) -> None:
    train(repeated(4), tiny, tmp_path, Recipe(steps=1, dev_queries=0))
    name = "encoder.layer.0.output.dense.weight"
    start, trained = load_file(tiny / "model.safetensors"), load_file(tmp_path / "model.safetensors")
    assert not torch.allclose(start[name], trained[f"bert.{name}"], atol=1e-5)


def test_a_checkpoint_of_another_run_is_not_taken_for_ones_own(tiny: Path, tmp_path: Path) -> None:
    train(repeated(12), tiny, tmp_path, Recipe(steps=1, dev_queries=2))
    with pytest.raises(InputError, match=r"other data, other options or another starting model"):
        train(repeated(12), tiny, tmp_path, Recipe(steps=2, dev_queries=2))
    (tmp_path / "checkpoint.pt").write_bytes(b"half of it")
    with pytest.raises(CorruptModelError, match=r"checkpoint\.pt cannot be read"):
        train(repeated(12), tiny, tmp_path, Recipe(steps=2, dev_queries=2))


def test_a_run_without_patience_left_keeps_its_best_state(tiny: Path, tmp_path: Path) -> None:
    """At an absurd rate nothing gets better, so the run stops early and gives the model back as it came."""
    recipe = Recipe(steps=60, report_steps=2, patience=3, learning_rate=5.0, head_learning_rate=5.0, dev_queries=12)
    figures = train(repeated(36), tiny, tmp_path, recipe)
    assert figures["steps"] < 60
    assert figures["dev_ndcg"] >= figures["dev_ndcg_at_start"]
    assert figures["kept_step"] <= figures["steps"] - 2 * 3


def test_pieces_of_a_step_add_up_to_the_whole(tiny: Path, tmp_path: Path) -> None:
    def weights(steps: int, pieces: int) -> Any:
        out = tmp_path / f"{steps}-{pieces}"
        train(repeated(12), tiny, out, Recipe(steps=steps, accumulate=pieces, dev_queries=0))
        return torch.cat([weight.flatten() for _, weight in sorted(load_file(out / "model.safetensors").items())])

    whole = weights(2, 1)
    moved, apart = torch.dist(whole, weights(1, 1)), torch.dist(whole, weights(2, 3))
    assert apart < 0.05 * moved  # with the last piece alone it is .44


def test_a_group_that_no_teacher_scored_weighs_as_much_as_others_wherever_it_stands(tiny: Path, tmp_path: Path) -> None:
    groups = [replace(one, teacher=(3.0, 1.0, -2.0) if at % 3 else ()) for at, one in enumerate(repeated(12))]
    losses: list[float] = []
    for pieces in (1, 12):
        recipe = Recipe(steps=1, accumulate=pieces, dev_queries=0, temperature=1.0, label_weight=0.2)
        train(groups, tiny, tmp_path / str(pieces), recipe, watch=lambda moment: losses.append(moment.loss))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_held_out_queries_are_nowhere_in_training() -> None:
    groups = repeated(10) * 3
    dev, training = split_by_query(groups, 4, random.Random(0))
    assert len(dev) == 4 * 3
    assert not {g.query for g in dev} & {g.query for g in training}
    assert len(training) == 6 * 3


def test_a_query_in_another_spelling_is_held_out_with_it() -> None:
    groups = [
        replace(group, query=query) for group in repeated(8) for query in (group.query, f"{group.query.upper()}?")
    ]
    dev, training = split_by_query(groups, 3, random.Random(0))
    assert len(dev) == 3 * 2
    assert not {group.query.lower().rstrip("?") for group in dev} & {group.query for group in training}


def test_a_share_of_the_queries_is_held_out_and_all_else_is_trained_on(tiny: Path, tmp_path: Path) -> None:
    rows = [
        {"query": f"which is {a}", "positive": [f"{a} {b}" for b in COLOURS[:4]], "negatives": [f"no {a}"]}
        for a in (*COLOURS, "pink", "grey", "brown", "mauve")
    ]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    wanted = Wanted([tmp_path / "data.jsonl"], tmp_path / "model", kind="cross-encoder", start=str(tiny), epochs=1.0)
    done = train_model(wanted, Recipe(groups_per_step=6)).card["training"]
    assert done["dev_queries"] == 1  # of ten, with four groups each
    assert done["steps"] == 6
    assert done["epochs"] == 1


def test_what_nothing_is_learned_from_is_warned_of(tiny: Path, tmp_path: Path) -> None:
    rows = [{"query": f"is {a}", "positive": a, "negatives": [f"no {a}"], "scores": [2, 1]} for a in COLOURS]
    rows.append({"query": "is pink", "positive": "pink"})
    rows.append({"query": "is it", "positive": list(COLOURS[:5]), "negatives": ["no"]})
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    wanted = Wanted(
        [tmp_path / "data.jsonl"], tmp_path / "model", "cross-encoder", str(tiny), teachers=["shortlist-minilm-l6"]
    )
    trained = train_model(wanted, Recipe(steps=1))
    assert trained.warnings == trained.card["training_data"]["warnings"]
    assert trained.warnings == [
        "of a query's relevant passages the 4 of the highest grades are learned from: 'is it'",
        "a query without a less relevant passage teaches nothing: 'is pink'",
        "the rows' own scores give way to those of --teacher",
    ]


def test_exit_heads_learn_too_and_are_saved(tiny: Path, tmp_path: Path) -> None:
    words = [f"{a} {b}" for a in COLOURS for b in COLOURS]
    groups = [Group(w, (f"good {w}", *(f"bad {w} {i}" for i in range(5))), (), "made") for w in words] * 3
    recipe = Recipe(steps=30, learning_rate=3e-3, dev_queries=30, exits=(1,), bf16=True)
    figures = train(groups, tiny, tmp_path, recipe)
    assert figures["dev_rr_exit_1"] > 0.8
    model = TrainableCrossEncoder.from_encoder(tmp_path, exits=(1,))
    assert torch.equal(
        model.exits["1"].classifier.weight, load_file(tmp_path / "exit_heads.safetensors")["exit.1.classifier.weight"]
    )


def test_a_folder_that_is_trained_into_again_holds_nothing_of_the_model_before(tiny: Path, tmp_path: Path) -> None:
    kinds: list[tuple[Any, Recipe]] = [
        (CrossEncoderStudent, Recipe(steps=1, dev_queries=0, exits=(1,))),
        (BiEncoderStudent, Recipe(steps=1, dev_queries=0)),
        (CrossEncoderStudent, Recipe(steps=1, dev_queries=0)),
    ]
    for student, recipe in kinds:
        train_student(student.load(tiny, recipe), repeated(4), tiny, tmp_path, recipe)
        (tmp_path / "checkpoint.pt").unlink()
    assert exit_layers(tmp_path) == []
    assert not find_model(str(tmp_path)).modules


def test_exits_are_named_by_their_layers_in_whatever_order_they_are_given(tmp_path: Path) -> None:
    recipe = Recipe(exits=(3, 1, 3))
    student = CrossEncoderStudent.load(made_bert(tmp_path, layers=4), recipe)
    silent = student.module.exits["3"].classifier
    torch.nn.init.zeros_(silent.weight)
    figures = measured(student, repeated(9), recipe)
    assert figures["dev_rr_exit_3"] == pytest.approx(1 / 3)  # ties count against it
    assert figures["dev_rr_exit_1"] > 1 / 3


@pytest.mark.parametrize("layer", [-1, 0, 2, 3])
def test_an_exit_where_no_inner_layer_ends_is_refused(tiny: Path, layer: int) -> None:
    with pytest.raises(InputError, match=f"from 1 to 1 of this model; got {layer}"):
        CrossEncoderStudent.load(tiny, Recipe(exits=(layer,)))
    with pytest.raises(InputError, match=f"a bi-encoder has no exits; got {layer}"):
        BiEncoderStudent.load(tiny, Recipe(exits=(layer,)))


def test_another_exit_than_the_starts_has_a_new_head(tmp_path: Path) -> None:
    four_layers = made_bert(tmp_path / "start", layers=4)
    one = TrainableCrossEncoder.from_encoder(four_layers, exits=(1, 2))
    one.save(tmp_path / "one")
    other = TrainableCrossEncoder.from_encoder(tmp_path / "one", exits=(2, 3))
    assert set(other.exits) == {"2", "3"}
    assert torch.equal(other.exits["2"].pooler.weight, one.exits["2"].pooler.weight)


def test_a_bi_encoder_learns_from_the_other_passages_of_its_batch(tiny: Path, tmp_path: Path) -> None:
    recipe = Recipe(steps=25, learning_rate=3e-3, dev_queries=0, max_length=32, groups_per_step=18)
    groups = [Group(f"ask {a} {b}", (f"{b} says {a}",), (), "made") for a in COLOURS for b in COLOURS if a != b]
    student = BiEncoderStudent.load(tiny, recipe)
    with torch.inference_mode():
        before = rank_of_own(student, groups)
    train_student(student, groups, tiny, tmp_path, recipe)
    with torch.inference_mode():
        assert rank_of_own(student, groups) < before / 1.5
    vectors = BiEncoder.load(str(tmp_path), precision="fp32").encode(["ask red blue"], role=Role.QUERY)
    assert vectors.shape == (1, 32)


def rank_of_own(student: BiEncoderStudent, groups: Sequence[Group]) -> float:
    scores = student.compared(groups)[0][..., 0]  # [groups, groups]
    return float((scores >= scores.diagonal()[:, None]).sum(1).float().mean())


def test_a_relevant_text_is_no_negative_of_its_query_wherever_it_stands(tiny: Path) -> None:
    student = BiEncoderStudent.load(tiny, Recipe(max_length=32))
    groups = [
        Group("one", ("shared", "bad one"), (), "made"),
        Group("two", ("own", "shared"), (), "made"),
    ]
    scores, targets = student.compared(groups)
    assert scores.shape == (2, 4, 1)
    assert targets.present.tolist() == [[True, True, True, False], [True, True, True, True]]
    assert targets.labels.tolist() == [[1, 0, 0, 0], [0, 0, 1, 0]]


def test_a_querys_relevant_passages_of_other_groups_are_no_negatives(tiny: Path) -> None:
    student = BiEncoderStudent.load(tiny, Recipe(max_length=32))
    groups = [Group("one", (passage,), (), "made") for passage in ("first", "second")]
    groups.append(Group("two", ("third",), (), "made"))
    present = student.compared(groups)[1].present
    assert present.tolist() == [[True, False, True], [False, True, True], [True, True, True]]


@pytest.mark.parametrize("count", [1, 9])
def test_pairs_alone_train_a_bi_encoder_that_has_a_card(tiny: Path, tmp_path: Path, count: int) -> None:
    rows = [{"query": f"ask {n}", "positive": f"answer {n * n}"} for n in range(count)]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    wanted = Wanted([tmp_path / "data.jsonl"], tmp_path / "model", kind="bi-encoder", start=str(tiny), dev_share=0.5)
    train_model(wanted, Recipe(steps=2))
    card = json.loads((tmp_path / "model" / "card.json").read_text())
    assert card["training"]["dev_queries"] == 0
    compared = card["compared_with_torch"]
    if count > 1:
        assert compared["onnxruntime fp32"]["tau"] > 0.98
        assert compared["onnxruntime fp32"]["largest_difference"] < 1e-3
        assert {name.split()[0] for name in compared} == set(installed_engines()) - {"torch"}
    else:
        assert compared["onnxruntime"] == "not compared: no two training passages of a query have different scores"


def test_passages_that_are_alike_once_cut_are_no_sign_of_a_broken_export(tiny: Path, tmp_path: Path) -> None:
    """A long heading that stands on every page leaves torch, too, nothing to order them by."""
    heading = "this heading stands on every page " * 12
    rows = [
        {"query": f"ask {a}", "positive": f"it is {a}", "negatives": [f"not {a} but {b}" for b in COLOURS]}
        for a in COLOURS
    ]
    rows += [{"query": f"page {a}", "positive": heading + a, "negatives": [heading + "no"]} for a in COLOURS]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    wanted = Wanted([tmp_path / "data.jsonl"], tmp_path / "model", kind="cross-encoder", start=str(tiny))
    recipe = Recipe(steps=8, learning_rate=3e-3, max_length=32)
    compared = train_model(wanted, recipe).card["compared_with_torch"]
    assert compared["onnxruntime fp32"]["tau"] > 0.98


def test_another_seed_draws_other_negatives_of_the_index(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "docs.jsonl").write_text("\n".join(json.dumps({"text": f"{a} {b} {c}"}) for a, b, c in THREE))
    index_paths([tmp_path / "docs.jsonl"], tmp_path / "index")
    rows = [{"query": f"about {a}", "positive": f"of {a} alone"} for a in COLOURS]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    losses: list[float] = []
    for at, seed in enumerate((0, 0, 1)):
        wanted = Wanted([tmp_path / "data.jsonl"], tmp_path / f"{at}", "bi-encoder", str(tiny), tmp_path / "index")
        recipe = Recipe(steps=1, seed=seed)
        train_model(replace(wanted, dev_share=0.0), recipe, watch=lambda moment: losses.append(moment.loss))
    assert losses[0] == losses[1]
    assert abs(losses[0] - losses[2]) > 1e-3


@pytest.mark.slow
def test_the_command_trains_a_blend_that_search_and_python_load(tmp_path: Path) -> None:
    rows = [
        {"query": f"what is {a} {b}", "positive": f"{a} {b} is a thing", "negatives": [f"{b} only", f"{a} or not"]}
        for a in COLOURS
        for b in COLOURS
    ]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    out = tmp_path / "model"
    kind = "cross-encoder"
    train_model(Wanted([tmp_path / "data.jsonl"], out, kind), Recipe(steps=3, groups_per_step=4))
    card = json.loads((out / "card.json").read_text())
    assert card["kind"] == "blend"
    assert card["training_data"]["queries"] == 36
    assert card["compared_with_torch"]["onnxruntime fp32"]["tau"] > 0.98
    assert not (out / "checkpoint.pt").exists()
    assert (out / "int8" / "model.xml").is_file() == ("openvino" in available_engines())
    ranking = Reranker.load(str(out)).rank("what is red car", ["the sea", "red car is a thing"])
    assert ranking.doc_ids == ("1", "0")
    assert ranking.score_kind.value == "weighted sum"
    train_model(Wanted([tmp_path / "data.jsonl"], tmp_path / "again", kind, start=str(out)), Recipe(steps=1))
    again = json.loads((tmp_path / "again" / "card.json").read_text())
    assert again["kind"] == "blend"
    assert again["parts"] == card["parts"]
    assert again["long_documents"] == card["long_documents"] == "passages-short"  # as the packaged one reads


def test_the_average_of_two_trainings_lies_between_them(tiny: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    one, other = (TrainableCrossEncoder.from_encoder(tiny, exits=(1,)) for _ in range(2))
    one.save(tmp_path / "one")
    other.save(tmp_path / "other")
    average([tmp_path / "one", tmp_path / "other"], tmp_path / "mean")
    mean = TrainableCrossEncoder.from_encoder(tmp_path / "mean", exits=(1,)).state_dict()
    assert not torch.equal(one.exits["1"].classifier.weight, other.exits["1"].classifier.weight)
    for name, tensor in one.state_dict().items():
        assert torch.allclose(mean[name], (tensor + other.state_dict()[name]) / 2, atol=1e-6), name


def test_models_of_two_shapes_have_no_average(tmp_path: Path) -> None:
    start = made_bert(tmp_path / "start", layers=3)
    TrainableCrossEncoder.from_encoder(start, exits=(1,)).save(tmp_path / "one")
    TrainableCrossEncoder.from_encoder(start, exits=(2,)).save(tmp_path / "other")
    with pytest.raises(InputError, match="not the same model"):
        average([tmp_path / "one", tmp_path / "other"], tmp_path / "mean")
