"""The multilingual model of a package of its own: found by its name, whole, and right in several languages."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from shortlist.build.models import load_model
from shortlist.inference.biencoder import BiEncoder
from shortlist.inference.load import available_engines
from shortlist.protocols import Role
from shortlist.types import Document, Query
from shortlist.weights import find_packaged, packaged_models

pytest.importorskip("shortlist_multilingual", reason="needs pip install ./multilingual")

NAME = "multilingual-e5-small"
TEXTS = {
    "de": (
        "Wie hoch ist der Turm?",
        "Das Bauwerk misst 330 Meter.",
        "Der Turm von Pisa ist für seine Neigung bekannt.",
    ),
    "fr": ("Qui a peint la Joconde ?", "Léonard de Vinci a réalisé ce portrait.", "Le musée du Louvre ouvre le matin."),
    "pl": ("Ile nóg ma pająk?", "Pająki mają osiem odnóży.", "Pająk przędzie sieć z jedwabiu."),
    "es": ("¿Cuándo terminó la guerra?", "El conflicto acabó en 1945.", "La guerra costó millones de vidas."),
}


def test_it_stands_beside_the_models_of_the_wheel_and_is_whole() -> None:
    model = find_packaged(NAME)
    assert model is not None
    model.verify()
    assert set(model.card["sha256"]) >= {"model.onnx", "tokenizer.json", "config_sentence_transformers.json"}
    assert "all-minilm-l6-v2" in {one.name for one in packaged_models()}
    assert sum(file.stat().st_size for file in model.folder.iterdir()) < 30_000_000


@pytest.mark.parametrize("language", TEXTS)
def test_the_answer_is_before_what_only_shares_words(language: str) -> None:
    question, *passages = TEXTS[language]
    scores = load_model(NAME).score(Query(question), [Document(text, str(i)) for i, text in enumerate(passages)]).values
    assert scores[0] > scores[1]


def test_a_question_stands_near_its_answer_in_another_language() -> None:
    encoder = BiEncoder.load(NAME)
    questions = encoder.encode([texts[0] for texts in TEXTS.values()], role=Role.QUERY)
    english = ["The tower is 330 metres high.", "Leonardo painted the Mona Lisa.", "Spiders have eight legs."]
    answers = encoder.encode([*english, "The war ended in 1945."], role=Role.DOCUMENT)
    assert (questions @ answers.T).argmax(1).tolist() == [0, 1, 2, 3]


def test_engines_agree() -> None:
    texts = [text for language in TEXTS.values() for text in language]
    vectors = [
        BiEncoder.load(NAME, engine=e, precision="fp32").encode(texts, role=Role.QUERY) for e in available_engines()
    ]
    for one in vectors[1:]:
        np.testing.assert_allclose(one, vectors[0], atol=1e-4)
    chosen = BiEncoder.load(NAME).encode(texts, role=Role.QUERY)
    assert (chosen * vectors[0]).sum(1).min() > 0.99


def test_other_scripts_are_said_not_to_be_read() -> None:
    model = find_packaged(NAME)
    assert model is not None
    assert {"de", "fr", "pl", "es"} <= set(model.card["languages"])
    assert not {"ru", "el", "zh", "ar"} & set(model.card["languages"])
    assert "Latin" in model.card["changes"]
    assert json.loads((Path(model.folder) / "config_sentence_transformers.json").read_text())["prompts"]["query"]
