"""Products in int8 on OpenVINO, activations quantised by what our own texts make of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

openvino = pytest.importorskip("openvino", reason="needs the extra 'openvino'")

from shortlist.evaluation.agreement import agreement
from shortlist.inference.batches import pad
from shortlist.inference.calibrating import CALIBRATED, write_calibrated
from shortlist.inference.models import find_model
from shortlist.inference.openvino_int8 import compress_weights, is_quantised, save_quantised
from shortlist.inference.processor import sums_bytes_in_32_bits
from shortlist.inference.tokens import ModelInput
from shortlist.scorers.cross_encoder import CrossEncoder
from shortlist.types import Document, Query

MODEL = "shortlist-minilm-l6"
QUERY = Query("when was the bridge across the river built?")
DOCUMENTS = [
    Document(text, str(place))
    for place, text in enumerate(
        [
            "The bridge was finished in 1874, after eight years.",
            "Two hundred men worked on the river bridge from 1866 on.",
            "Bananas are rich in potassium.",
            "A river crosses the town from north to south.",
            "The church was built in 1874.",
            "Bridges of stone are older than bridges of iron.",
            "It rains on one day in three.",
            "The old ferry across the river was given up when the bridge opened.",
            "A card game for four, played with two packs.",
            "The railway came in 1881.",
        ]
    )
]
pytestmark = pytest.mark.usefixtures("own_cache")


def scores(precision: str) -> np.ndarray:
    scorer = CrossEncoder.load(MODEL, engine="openvino", precision=precision, threads=1)
    found = scorer.score(QUERY, DOCUMENTS)
    scorer.close()
    assert found.step.facts["precision"] == precision
    return found.values


@pytest.mark.skipif(not sums_bytes_in_32_bits(), reason="int8 products need VNNI or AMX")
def test_int8_keeps_the_order_of_fp32_and_is_made_once(own_cache: Path) -> None:
    exact, first = scores("fp32"), scores("int8")
    assert agreement(first, exact).tau > 0.8
    assert 0 < np.abs(first - exact).max() < 2  # of logits between -6 and 5
    (made,) = own_cache.rglob("*-int8-*/model.xml")
    before = made.stat().st_mtime_ns
    assert np.array_equal(scores("int8"), first)
    assert made.stat().st_mtime_ns == before


def test_where_bytes_may_overflow_only_weights_are_int8(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shortlist.inference.load.sums_bytes_in_32_bits", lambda: False)
    assert agreement(scores("int8"), scores("fp32")).tau > 0.9
    assert not list(own_cache.rglob("*-int8-*/model.xml"))


def test_a_model_that_brings_its_int8_graph_is_run_by_it(
    own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shortlist.inference.load.sums_bytes_in_32_bits", lambda: True)
    folder = shutil.copytree(find_model(MODEL).path, tmp_path / "model")
    inputs = [ModelInput(np.arange(1000, 1040, dtype=np.int32), 9)]
    file = write_calibrated(folder / "model.onnx", inputs, folder / CALIBRATED, pad_id=0)
    assert is_quantised(openvino.Core().read_model(str(file)))
    found = CrossEncoder.load(str(folder), engine="openvino", precision="int8", threads=1).score(QUERY, DOCUMENTS)
    assert agreement(found.values, scores("fp32")).tau > 0.6  # calibrated on nothing like these texts
    assert not list(own_cache.rglob("*-int8-*/model.xml"))


def test_products_are_left_alone_where_rounding_costs_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = find_model(MODEL).path / "model.onnx"
    batch = pad([ModelInput(np.arange(1000, 1040, dtype=np.int32), 9)], pad_id=0)
    core = openvino.Core()
    products = compress_weights(core.read_model(str(file)))
    left = save_quantised(file, [batch], tmp_path / "some.xml")
    monkeypatch.setattr("shortlist.inference.openvino_int8.LARGEST_ERROR", 0.0)
    assert left < save_quantised(file, [batch], tmp_path / "none.xml") == products
    assert is_quantised(core.read_model(str(tmp_path / "some.xml")))
    assert not is_quantised(core.read_model(str(tmp_path / "none.xml")))
