"""Cross-encoders that sentence-transformers saved give the logits that it gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shortlist import Reranker
from shortlist.build.models import load_model
from shortlist.errors import UnsupportedModelError
from shortlist.inference.models import find_model
from shortlist.types import Document, Query

from .tiny import write_json

sentence_transformers = pytest.importorskip("sentence_transformers")
torch = pytest.importorskip("torch")
zoo = pytest.importorskip("families.zoo")

INPUTS = ["input_ids", "token_type_ids", "attention_mask"]
# the zoo's own pads on the left, which sentence-transformers would listen to
TOKENIZER = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "padding_side": "right"}
pytestmark = pytest.mark.usefixtures("own_cache", "one_thread")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    made: Path = zoo.FAMILIES["BERT, 2 layers"].make(tmp_path / "model")
    write_json(made / "tokenizer_config.json", TOKENIZER | {"model_input_names": INPUTS})
    return made


def assert_same_logits(folder: Path) -> None:
    texts = [text for text in zoo.TEXTS if text and len(text) < 200]
    theirs = sentence_transformers.CrossEncoder(str(folder), device="cpu")
    expected = theirs.predict([(zoo.QUERY, text) for text in texts], activation_fn=torch.nn.Identity())
    for engine in ("onnxruntime", "torch"):
        scores = load_model(str(folder), engine=engine).score(Query(zoo.QUERY), [Document(text=text) for text in texts])
        assert np.abs(scores.values - expected).max() < 1e-4, engine


def test_the_default_prompt_stands_before_every_query(model: Path, tmp_path: Path) -> None:
    prompts: dict[str, Any] = {"prompts": {"find": "how tall: ", "no": ""}, "default_prompt_name": "find"}
    sentence_transformers.CrossEncoder(str(model), device="cpu", **prompts).save_pretrained(str(tmp_path / "prompted"))
    assert_same_logits(tmp_path / "prompted")
    plain, prompted = (load_model(str(folder), engine="torch") for folder in (model, tmp_path / "prompted"))
    assert plain.fingerprint.partition("@")[2] != prompted.fingerprint.partition("@")[2]


def test_token_types_are_left_out_where_the_tokenizer_names_its_inputs_without_them(model: Path) -> None:
    before = find_model(model).fingerprint()
    assert_same_logits(model)
    named = {"model_input_names": [name for name in INPUTS if name != "token_type_ids"]}
    write_json(model / "tokenizer_config.json", TOKENIZER | named)
    assert_same_logits(model)
    assert find_model(model).fingerprint() != before


def test_a_language_model_that_it_calls_a_cross_encoder_is_one_with_its_template(tmp_path: Path) -> None:
    folder = zoo.FAMILIES["Qwen3, yes or no"].make(tmp_path / "model")
    plain = Reranker.load(str(folder), template="qwen3").rank(zoo.QUERY, zoo.TEXTS)
    write_json(folder / "config_sentence_transformers.json", {"model_type": "CrossEncoder"})
    with pytest.raises(UnsupportedModelError, match="Name it: template="):
        Reranker.load(str(folder))
    ranked = Reranker.load(str(folder), template="qwen3").rank(zoo.QUERY, zoo.TEXTS)
    assert [item.score for item in ranked] == [item.score for item in plain]


def test_a_classifier_that_is_asked_in_chat_is_not_read_without_it(tmp_path: Path) -> None:
    folder = zoo.FAMILIES["Qwen3 classifier"].make(tmp_path / "model")
    Reranker.load(str(folder)).rank(zoo.QUERY, zoo.TEXTS)
    (folder / "chat_template.jinja").write_text(
        "{% for one in messages %}<{{ one.role }}>: {{ one.content }}{% endfor %}"
    )
    sentence_transformers.CrossEncoder(str(folder), device="cpu").save_pretrained(str(tmp_path / "chat"))
    with pytest.raises(UnsupportedModelError, match=r"reads a pair through a chat template.*'qwen3'"):
        Reranker.load(str(tmp_path / "chat"))
