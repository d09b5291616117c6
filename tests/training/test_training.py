"""Mining, losses, the loop and packaging, on a tiny model that is made here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'train'")
transformers = pytest.importorskip("transformers", reason="needs the extra 'train'")
pytest.importorskip("bm25s", reason="needs the extra 'train'")

from shortlist.inference.models import find_model
from shortlist.scorers.cross_encoder import CrossEncoder
from shortlist.settings import DEFAULT_ENCODER
from shortlist.training.groups import Group, Pair, read_groups, write_groups
from shortlist.training.losses import distillation, listwise_softmax
from shortlist.training.mining import Mining, mine
from shortlist.training.model import TrainableCrossEncoder
from shortlist.training.package import package
from shortlist.training.train import Recipe, train
from shortlist.types import Document, Query

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

COLOURS = ("red", "green", "blue", "black", "white", "yellow")


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


def test_losses_are_what_their_formulas_say() -> None:
    scores = torch.tensor([[2.0, 0.5, -1.0], [0.0, 0.0, 0.0]])
    teacher = torch.tensor([[0.9, 0.5, 0.1], [0.2, 0.2, 0.2]])
    expected = np.mean([-2 + np.log(np.exp([2.0, 0.5, -1.0]).sum()), np.log(3)])
    assert listwise_softmax(scores).item() == pytest.approx(expected, rel=1e-5)
    target = np.exp(teacher.numpy() / 0.1)
    target /= target.sum(1, keepdims=True)
    student = np.exp(scores.numpy())
    student /= student.sum(1, keepdims=True)
    divergence = (target * np.log(target / student)).sum(1).mean()
    assert distillation(scores, teacher, temperature=0.1).item() == pytest.approx(divergence, rel=1e-4)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A two-layer BERT with the packaged vocabulary."""
    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=30522, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64
    )
    transformers.BertModel(config).save_pretrained(folder)
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
    recipe = Recipe(steps=25, learning_rate=3e-3, dev_groups=30, label_weight=1.0)
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
