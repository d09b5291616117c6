"""A length that is nearly too short still reads both texts, and one that is too short is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from shortlist.errors import InputError
from shortlist.inference.models import find_model
from shortlist.scorers.cross_encoder import CrossEncoder
from shortlist.types import Document, Query

from .tiny import write_classifier

pytest.importorskip("onnx")


@pytest.mark.parametrize("how", ["head", "head+tail", "passages-max", "passages-80"])
@pytest.mark.parametrize("max_length", [5, 6, 8, 12])
def test_no_reading_is_longer_than_asked(
    max_length: int, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = str(write_classifier(tmp_path / "model"))
    scorer = CrossEncoder.load(folder, max_length=max_length, long_documents=how, engine="onnxruntime")
    counts = scorer.score(
        Query("how tall is the tower ? " * 3), [Document("cats sleep most of the day", "a")]
    ).step.counts
    assert counts["tokens"] <= counts["pairs"] * max_length


def test_a_length_without_room_for_two_texts_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(InputError, match="max_length=4 leaves no room for two texts; it must be 5 or more"):
        CrossEncoder.load(str(write_classifier(tmp_path / "model")), max_length=4)


def test_a_padding_id_below_zero_is_none(tmp_path: Path) -> None:
    assert find_model(str(write_classifier(tmp_path, pad_token_id=-1))).pad_id == 0
