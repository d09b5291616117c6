"""A length that is nearly too short still reads both texts, and one that is too short is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shortlist import Reranker
from shortlist.errors import InputError
from shortlist.inference.models import find_model
from shortlist.integrations.flashrank import Ranker, RerankRequest
from shortlist.scorers.cross_encoder import CrossEncoder
from shortlist.scorers.late_interaction import LateInteraction
from shortlist.types import Document, Query

from .tiny import write_classifier

pytest.importorskip("onnx")


@pytest.mark.parametrize("how", ["head", "head+tail", "passages-max", "passages-short", "passages-80"])
@pytest.mark.parametrize("max_length", [5, 6, 8, 12])
def test_no_reading_is_longer_than_asked(max_length: int, how: str, tmp_path: Path, own_cache: Path) -> None:
    folder = str(write_classifier(tmp_path / "model"))
    scorer = CrossEncoder.load(folder, max_length=max_length, long_documents=how, engine="onnxruntime")
    counts = scorer.score(
        Query("how tall is the tower ? " * 3), [Document("cats sleep most of the day", "a")]
    ).step.counts
    assert counts["tokens"] <= counts["pairs"] * max_length


def test_a_length_without_room_for_two_texts_is_refused(tmp_path: Path, own_cache: Path) -> None:
    with pytest.raises(InputError, match="max_length=4 leaves no room for two texts; it must be 5 or more"):
        CrossEncoder.load(str(write_classifier(tmp_path / "model")), max_length=4)


def test_a_padding_id_below_zero_is_none(tmp_path: Path) -> None:
    assert find_model(str(write_classifier(tmp_path, pad_token_id=-1))).pad_id == 0


def test_robertas_positions_start_behind_its_own_padding_where_none_is_declared(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path, model_type="xlm-roberta", max_position_embeddings=98, pad_token_id=None)
    assert find_model(folder).max_length == 96


@pytest.mark.parametrize("max_length", [0, -1, True, 1.5, "512"])
def test_a_length_that_is_none_is_refused_for_every_model_before_it_is_loaded(max_length: object) -> None:
    message = r"max_length must be a whole number of tokens from 1.*; got " + re.escape(repr(max_length))
    for name in ("shortlist-l6", "shortlist-minilm-l6", "all-minilm-l6-v2", "no/such-model", "seq2seq:no/such-model"):
        kind, _, model = name.rpartition(":")
        with pytest.raises(InputError, match=message):
            Reranker.load(model, kind=kind or None, max_length=max_length)
    for load in (CrossEncoder.load, LateInteraction.load):
        with pytest.raises(InputError, match=message):
            load("shortlist-minilm-l6", max_length=max_length)  # type: ignore[arg-type]


def test_the_drop_in_of_flashrank_refuses_a_length_that_is_none() -> None:
    request = RerankRequest("tall", [{"text": "a tower"}])
    with pytest.raises(InputError, match="max_length must be a whole number of tokens from 1"):
        Ranker("shortlist-minilm-l6", max_length=0).rerank(request)
