"""A bi-encoder is trained as it reads and pools when it is used, and its folder says so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'train'")
transformers = pytest.importorskip("transformers", reason="needs the extra 'train'")

from shortlist.build.training import Wanted, train_model
from shortlist.errors import UnsupportedModelError
from shortlist.inference.biencoder import BiEncoder
from shortlist.inference.models import ModelFolder, find_model
from shortlist.protocols import Role
from shortlist.settings import DEFAULT_ENCODER
from shortlist.training.bi_encoder import SCALE, BiEncoderStudent
from shortlist.training.groups import Group
from shortlist.training.pooling import Pooling
from shortlist.training.recipe import Recipe

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

GROUP = Group("how tall is it?", ("330 m tall", "made of iron", "in a city"), (), "made")


def written(folder: Path, pooling: Pooling) -> Path:
    """Write a two-layer BERT with the packaged vocabulary and these modules."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    config = transformers.BertConfig(vocab_size=30522, initializer_range=0.3, **sizes)  # so that vectors differ
    transformers.BertModel(config).save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes((find_model(DEFAULT_ENCODER).path / "tokenizer.json").read_bytes())
    pooling.save(folder, width=32)
    return folder


def cosines(folder: Path) -> list[float]:
    """Return the cosines of the group's passages as the model is used."""
    encoder = BiEncoder.load(folder, engine="onnxruntime", precision="fp32")
    query = encoder.encode([GROUP.query], role=Role.QUERY)[0]
    found: list[float] = (encoder.encode(GROUP.passages, role=Role.DOCUMENT) @ query).tolist()
    encoder.close()
    return found


@pytest.mark.parametrize("pooling", [Pooling("cls", "look for: "), Pooling("mean", "query: ", "passage: ")])
def test_a_bi_encoder_is_trained_as_it_is_used(pooling: Pooling, tmp_path: Path) -> None:
    start = written(tmp_path / "start", pooling)
    assert Pooling.of(find_model(start)) == pooling
    student = BiEncoderStudent.load(start, Recipe(), Pooling.of(find_model(start)))
    with torch.inference_mode():
        np.testing.assert_allclose(student.score([GROUP])[0, :, 0] / SCALE, cosines(start), atol=1e-5)
    row = {"query": GROUP.query, "positive": GROUP.passages[0], "negatives": GROUP.passages[1:]}
    (tmp_path / "data.jsonl").write_text(json.dumps(row))
    wanted = Wanted([tmp_path / "data.jsonl"], tmp_path / "out", kind="bi-encoder", start=str(start), dev_share=0.0)
    train_model(wanted, Recipe(steps=2, learning_rate=1e-2))
    trained = find_model(tmp_path / "out")
    assert Pooling.of(trained) == pooling
    assert json.loads((trained.path / "card.json").read_text())["sha256"].keys() >= {"modules.json"}
    student = BiEncoderStudent.load(trained.path, Recipe(), pooling)
    with torch.inference_mode():
        own = student.score([GROUP])[0, :, 0] / SCALE
    np.testing.assert_allclose(own, cosines(trained.path), atol=1e-3)  # its graph is stored in fp16
    assert np.abs(np.subtract(cosines(trained.path), cosines(start))).max() > 0.01


def test_sentence_transformers_reads_a_trained_folder_alike(tmp_path: Path) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    start = written(tmp_path, Pooling("cls", "look for: "))
    theirs = sentence_transformers.SentenceTransformer(str(start), device="cpu")
    query = theirs.encode_query(GROUP.query)
    np.testing.assert_allclose(theirs.encode_document(list(GROUP.passages)) @ query, cosines(start), atol=1e-5)


def test_a_model_that_the_files_say_nothing_of_is_pooled_by_its_mean_with_the_prompts_of_its_name(
    tmp_path: Path,
) -> None:
    assert Pooling.of(ModelFolder("mine", tmp_path, {})) == Pooling()
    assert Pooling.of(ModelFolder("intfloat/e5-small-v2", tmp_path, {})) == Pooling("mean", "query: ", "passage: ")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"pooling_mode_max_tokens": True}, r"Pooling with .*max"),
        ({"include_prompt": False}, "Pooling that leaves the prompt out"),
    ],
)
def test_what_is_not_trained_here_is_refused_by_its_name(change: dict[str, bool], what: str, tmp_path: Path) -> None:
    folder = written(tmp_path, Pooling("mean", "query: "))
    settings = folder / "1_Pooling" / "config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | change))
    with pytest.raises(UnsupportedModelError, match=what):
        Pooling.of(find_model(folder))


def test_a_projection_behind_the_pooling_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path, Pooling())
    listed = json.loads((folder / "modules.json").read_text())
    listed[2] |= {"path": "2_Dense", "type": "sentence_transformers.models.Dense"}
    (folder / "modules.json").write_text(json.dumps(listed))
    with pytest.raises(UnsupportedModelError, match="has Dense behind its encoder"):
        Pooling.of(find_model(folder))
