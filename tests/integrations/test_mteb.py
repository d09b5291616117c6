"""mteb runs our scorers; the real package on a task of its own kind, made here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shortlist.integrations.mteb import MtebCrossEncoder
from shortlist.scorers.lexical import Lexical
from shortlist.types import Document, Query

mteb = pytest.importorskip("mteb")

PAIRS = [("tower", "a tower of iron"), ("tower", "cats"), ("cats", "cats"), ("tower", "tower")]


def batches(texts: list[str]) -> list[dict[str, Any]]:
    return [{"text": texts[:3]}, {"text": texts[3:]}]


def test_one_score_a_pair_in_the_given_order() -> None:
    model = MtebCrossEncoder.load("lexical", kind="lexical")
    scores = model.predict(
        batches([q for q, _ in PAIRS]), batches([d for _, d in PAIRS]), hf_split="test", batch_size=2
    )
    expected = [Lexical().score(Query(query), [Document(text)]).values[0] for query, text in PAIRS]
    assert scores.dtype == np.float32
    assert scores == pytest.approx(np.array(expected))
    assert model.predict([], []).shape == (0,)


def test_it_keeps_mtebs_protocol_and_names_itself() -> None:
    protocols = pytest.importorskip("mteb.models.models_protocols")
    model = MtebCrossEncoder.load("lexical", kind="lexical")
    assert isinstance(model, protocols.CrossEncoderProtocol)
    assert model.mteb_model_meta.name == "shortlist/lexical"
    assert model.mteb_model_meta.revision == Lexical().fingerprint
