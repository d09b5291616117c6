"""Bi-encoders pool, project and prompt as sentence-transformers has them do, on every engine of graphs."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shortlist.errors import UnsupportedModelError
from shortlist.inference.biencoder import BiEncoder
from shortlist.inference.load import available_engines
from shortlist.inference.models import ModelFolder
from shortlist.inference.modules import Module
from shortlist.inference.native_weights import check_modules
from shortlist.protocols import Role
from shortlist.scorers.cosine import Cosine
from shortlist.types import Document, Query

from .tiny import CONFIG, HIDDEN, make_tensors, make_tokenizer, write_classifier

sentence_transformers = pytest.importorskip("sentence_transformers")

TEXTS = ["the tower is 330 metres tall", "cats sleep", "how tall", "tower " * 90]
PROMPTS = {"query": "how tall : ", "document": "made of "}
ENGINES = [*available_engines(), "auto"]
pytestmark = pytest.mark.usefixtures("own_cache")


def published(folder: Path, *, pooling: str, dense: bool = False, prompts: dict[str, str] | None = None) -> Any:
    """Write a bi-encoder as its authors would, and return it as they run it."""
    parts = importlib.import_module("sentence_transformers.sentence_transformer.modules")
    encoder = {k: v for k, v in make_tensors(seed=4).items() if "pooler" not in k and "classifier" not in k}
    write_classifier(folder / "encoder", encoder, architectures=["BertModel"])
    modules = [parts.Transformer(str(folder / "encoder")), parts.Pooling(HIDDEN, pooling_mode=pooling)]
    modules += [parts.Dense(HIDDEN, 24)] if dense else []
    model = sentence_transformers.SentenceTransformer(
        modules=[*modules, parts.Normalize()], prompts=prompts or {}, device="cpu"
    )
    model.max_seq_length = CONFIG["max_position_embeddings"]
    model.save(str(folder / "model"))
    return model


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("pooling", "dense"), [("mean", False), ("cls", False), ("mean", True)])
def test_vectors_are_those_of_the_authors(engine: str, pooling: str, dense: bool, tmp_path: Path) -> None:
    original = published(tmp_path, pooling=pooling, dense=dense, prompts=PROMPTS)
    with_prompts = BiEncoder.load(
        str(tmp_path / "model"), engine=engine, precision="auto" if engine == "auto" else "fp32"
    )
    for role in Role:
        expected = original.encode(TEXTS, prompt=PROMPTS[role.value], normalize_embeddings=True)
        found = with_prompts.encode(TEXTS, role=role)
        assert found.shape == (len(TEXTS), with_prompts.dimension)
        np.testing.assert_allclose(found, expected, atol=0.06 if engine == "auto" else 2e-5)
    with_prompts.close()


def test_a_scorer_prompts_the_query_and_the_documents_each_in_their_way(tmp_path: Path) -> None:
    original = published(tmp_path, pooling="cls", prompts=PROMPTS)
    scorer = Cosine.load(str(tmp_path / "model"), engine="onnxruntime")
    scores = scorer.score(Query("cats"), [Document(text, str(i)) for i, text in enumerate(TEXTS)])
    query, *passages = original.encode(
        [PROMPTS["query"] + "cats", *(PROMPTS["document"] + text for text in TEXTS)], normalize_embeddings=True
    )
    np.testing.assert_allclose(scores.values, np.stack(passages) @ query, atol=2e-5)
    assert scores.step.truncations[0].seen == scorer.encoder.room  # the prompt takes room from the document


def test_a_byte_level_vocabulary_reads_prompt_and_text_in_one(tmp_path: Path) -> None:
    zoo = importlib.import_module("families.zoo")
    zoo.classifier("ModernBert", zoo.modernbert_tokenizer, "[PAD]", local_attention=16)(tmp_path / "base")
    zoo.transformers().ModernBertModel.from_pretrained(tmp_path / "base").save_pretrained(tmp_path / "base")
    original = sentence_transformers.SentenceTransformer(str(tmp_path / "base"), prompts=PROMPTS, device="cpu")
    original.save(str(tmp_path / "model"))
    scorer = Cosine.load(str(tmp_path / "model"), engine="onnxruntime")
    expected = {
        role: original.encode(TEXTS[:3], prompt=PROMPTS[role.value], normalize_embeddings=True) for role in Role
    }
    for role in Role:
        np.testing.assert_allclose(scorer.encoder.encode(TEXTS[:3], role=role), expected[role], atol=2e-5)
    scores = scorer.score(Query(TEXTS[0]), [Document(text, str(i)) for i, text in enumerate(TEXTS[:3])])
    np.testing.assert_allclose(scores.values, expected[Role.DOCUMENT] @ expected[Role.QUERY][0], atol=2e-5)


def test_distilberts_vectors_are_as_long_as_its_configuration_says_in_its_own_words(tmp_path: Path) -> None:
    transformers = importlib.import_module("transformers")
    sizes = {"vocab_size": CONFIG["vocab_size"], "dim": 24, "n_layers": 1, "n_heads": 3, "hidden_dim": 40}
    transformers.DistilBertModel(transformers.DistilBertConfig(**sizes)).save_pretrained(tmp_path)
    make_tokenizer().save(str(tmp_path / "tokenizer.json"))
    encoder = BiEncoder.load(str(tmp_path), engine="onnxruntime")
    assert encoder.encode(TEXTS, role=Role.DOCUMENT).shape == (len(TEXTS), encoder.dimension) == (4, 24)


def test_other_prompts_are_another_encoder(tmp_path: Path) -> None:
    published(tmp_path / "with", pooling="mean", prompts=PROMPTS)
    published(tmp_path / "without", pooling="mean")
    one, other = (BiEncoder.load(str(tmp_path / name / "model"), engine="onnxruntime") for name in ("with", "without"))
    assert one.fingerprint != other.fingerprint


def test_prompts_that_the_files_do_not_say_are_known_by_the_name() -> None:
    e5 = ModelFolder("intfloat/multilingual-e5-small", Path("nowhere"), {})
    assert e5.prompts == {"query": "query: ", "document": "passage: "}
    assert ModelFolder("intfloat/multilingual-e5-small-of-mine", Path("nowhere"), {}).prompts == {}


def test_a_mean_without_the_prompt_is_refused_where_there_is_a_prompt(tmp_path: Path) -> None:
    for name, prompts in (("with", PROMPTS), ("without", None)):
        published(tmp_path / name, pooling="mean", prompts=prompts)
        settings = tmp_path / name / "model/1_Pooling/config.json"
        settings.write_text(json.dumps(json.loads(settings.read_text()) | {"include_prompt": False}))
    with pytest.raises(UnsupportedModelError, match="leaves its prompt out of the mean"):
        BiEncoder.load(str(tmp_path / "with/model"), engine="onnxruntime")
    BiEncoder.load(str(tmp_path / "without/model"), engine="onnxruntime").close()


def test_vectors_whose_lengths_count_are_refused_and_those_of_length_1_are_not(tmp_path: Path) -> None:
    published(tmp_path, pooling="cls")
    settings = tmp_path / "model/config_sentence_transformers.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"similarity_fn_name": "dot"}))
    BiEncoder.load(str(tmp_path / "model"), engine="onnxruntime").close()
    modules = tmp_path / "model/modules.json"
    modules.write_text(json.dumps([one for one in json.loads(modules.read_text()) if "Normalize" not in one["type"]]))
    with pytest.raises(UnsupportedModelError, match="where their lengths count"):
        BiEncoder.load(str(tmp_path / "model"), engine="onnxruntime")


@pytest.mark.parametrize(
    "kinds", [{"Pooling": {"pooling_mode": "max"}}, {"Pooling": {"pooling_mode": "mean"}, "Dense": {}}]
)
def test_the_kernel_leaves_other_pooling_to_the_libraries(kinds: dict[str, dict[str, Any]]) -> None:
    modules = [Module("Transformer", Path(), {}), *(Module(kind, Path(kind), said) for kind, said in kinds.items())]
    with pytest.raises(UnsupportedModelError, match="behind the encoder"):
        check_modules(modules, "mean_pooling")
