"""Cross-encoders made of sentence-transformers modules give the scores of the model they describe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shortlist.errors import CorruptModelError, ModelError, UnsupportedModelError
from shortlist.inference.load import available_engines
from shortlist.inference.models import find_model
from shortlist.scorers.cross_encoder import CrossEncoder
from shortlist.types import Document, Query

from .tiny import make_tensors, make_tokenizer, write_classifier, write_json, write_modules

pytest.importorskip("onnx")

QUERY = Query("how tall is the tower ?")
TEXTS = ["it is 330 metres tall .", "cats sleep most of the day", "made of wrought iron , it is tall and tall", "", "?"]
DOCUMENTS = [Document(text, str(i)) for i, text in enumerate(TEXTS)]
pytestmark = pytest.mark.usefixtures("own_cache")


def scores(folder: Path, **options: Any) -> Any:
    scorer = CrossEncoder.load(str(folder), precision="fp32", **options)
    try:
        return scorer.score(QUERY, DOCUMENTS).values
    finally:
        scorer.close()


@pytest.mark.parametrize("engine", available_engines())
def test_modules_score_as_the_classifier_they_are_made_of(engine: str, tmp_path: Path) -> None:
    expected = scores(write_classifier(tmp_path / "whole"), engine=engine)
    found = scores(write_modules(tmp_path / "modules"), engine=engine)
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_another_pooling_over_the_same_weights_is_another_model(tmp_path: Path) -> None:
    first = write_modules(tmp_path / "model")
    by_first, name = scores(first), find_model(str(first)).fingerprint()
    write_modules(first, pooling="mean")
    assert find_model(str(first)).fingerprint() != name
    assert np.abs(scores(first) - by_first).max() > 0.01


def test_the_activation_is_a_fact_and_is_not_applied(tmp_path: Path) -> None:
    plain = write_classifier(tmp_path / "plain")
    named = write_classifier(tmp_path / "named", sentence_transformers={"activation_fn": "torch.nn.Sigmoid"})
    old = write_classifier(tmp_path / "old", sbert_ce_default_activation_function="torch.nn.modules.linear.Identity")
    newest = write_modules(tmp_path / "newest")
    settings = {"model_type": "CrossEncoder", "activation_fn": "torch.nn.modules.activation.Sigmoid"}
    write_json(newest / "config_sentence_transformers.json", settings)
    stated = [find_model(str(folder)).activation for folder in (plain, named, old, newest)]
    assert stated == ["", "Sigmoid", "Identity", "Sigmoid"]
    step = CrossEncoder.load(str(named)).score(QUERY, DOCUMENTS).step
    assert step.facts["activation"] == "Sigmoid"
    np.testing.assert_array_equal(scores(named), scores(plain))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"type": "someone.code.Dense"}, UnsupportedModelError, "code of the model's own"),
        ({"type": "sentence_transformers.models.LSTM"}, UnsupportedModelError, "module LSTM cannot be exported"),
        ({"path": "../elsewhere"}, CorruptModelError, "points outside its folder"),
        ({"path": "9_Gone"}, ModelError, "9_Gone"),
        ({"type": None}, UnsupportedModelError, "None"),
    ],
)
def test_modules_that_cannot_be_drawn_are_named(
    change: dict[str, Any], error: type[Exception], message: str, tmp_path: Path
) -> None:
    folder = write_modules(tmp_path)
    listed = json.loads((folder / "modules.json").read_text())
    listed[2] |= change
    write_json(folder / "modules.json", listed)
    with pytest.raises(error, match=message):
        scores(folder)


def test_poolings_and_activations_that_are_unknown_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="pooling_mode='lasttoken'"):
        scores(write_modules(tmp_path / "pooling", pooling="lasttoken"))
    folder = write_modules(tmp_path / "activation", activation_function="torch.nn.modules.activation.Mish")
    with pytest.raises(UnsupportedModelError, match="activation 'Mish'"):
        scores(folder)


def test_three_outputs_are_no_ranking(tmp_path: Path) -> None:
    rows = {"classifier.weight": np.ones((3, 32), np.float32), "classifier.bias": np.zeros(3, np.float32)}
    folder = write_modules(tmp_path, make_tensors() | rows)
    with pytest.raises(UnsupportedModelError, match="has 3 labels"):
        scores(folder)


def test_a_model_with_code_of_its_own_is_not_drawn_under_a_known_name(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path, auto_map={"AutoModelForSequenceClassification": "own.Special"})
    with pytest.raises(UnsupportedModelError, match=r"own\.Special.*not run.*ready-made ONNX"):
        scores(folder)


@pytest.mark.filterwarnings("ignore")  # of torch and transformers, on making models
def test_the_ettin_layout_scores_as_sentence_transformers_does(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    library = pytest.importorskip("sentence_transformers")
    from sentence_transformers.base.modules import Dense, Transformer
    from sentence_transformers.sentence_transformer.modules import LayerNorm, Pooling

    torch.manual_seed(1)
    sizes = {"vocab_size": 210, "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4}
    ids = {"pad_token_id": 0, "cls_token_id": 4, "sep_token_id": 5, "bos_token_id": 4, "eos_token_id": 5}
    config = transformers.ModernBertConfig(
        **sizes, **ids, intermediate_size=48, max_position_embeddings=128, local_attention=8, initializer_range=0.2
    )
    transformers.ModernBertModel(config).save_pretrained(tmp_path / "encoder")
    special = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=make_tokenizer(), model_max_length=128, **special)
    fast.save_pretrained(tmp_path / "encoder")
    norm, out = LayerNorm(32), Dense(32, 1, activation_function=torch.nn.Identity(), module_output_name="scores")
    for parameter in [*norm.parameters(), *out.parameters()]:
        torch.nn.init.normal_(parameter)
    for mode in ("cls", "mean"):
        model = library.CrossEncoder(
            modules=[
                Transformer(str(tmp_path / "encoder")),
                Pooling(32, mode),
                Dense(32, 32, bias=False, activation_function=torch.nn.GELU()),
                norm,
                out,
            ],
            activation_fn=torch.nn.Identity(),
        )
        model.save_pretrained(str(tmp_path / mode))
        loaded = library.CrossEncoder(str(tmp_path / mode))
        expected = loaded.predict([(QUERY.text, text) for text in TEXTS], batch_size=2)
        assert np.ptp(expected) > 0.2
        np.testing.assert_allclose(scores(tmp_path / mode), expected, atol=5e-3)  # weights are stored in fp16
