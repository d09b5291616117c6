"""Int8 on ONNX Runtime: what it does to scores, how it is made, and what loading it does besides."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="needs the extra 'hub'")

from shortlist.errors import UnsupportedModelError
from shortlist.evaluation.agreement import agreement
from shortlist.inference.batches import Batch, pad
from shortlist.inference.models import find_model
from shortlist.inference.onnxruntime import QUANTISED, OnnxRuntimeSession
from shortlist.inference.onnxruntime_int8 import quantized
from shortlist.inference.onnxruntime_static import OUTLIERS, save_quantised
from shortlist.inference.real_texts import real_texts
from shortlist.inference.session import Precision
from shortlist.inference.tokens import ModelInput
from shortlist.scorers.cross_encoder import CrossEncoder
from shortlist.types import Document, Query

MODEL = "shortlist-minilm-l6"
QUERY = Query("In what year was the bridge across the river opened?")


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


def scorer(precision: str) -> CrossEncoder:
    return CrossEncoder.load(MODEL, engine="onnxruntime", precision=precision, threads=1)


def documents() -> list[Document]:
    _, passages = real_texts()
    return [Document(text, str(place)) for place, text in enumerate(passages)]


def test_int8_keeps_the_order_of_fp32_better_than_without_ranges_and_is_made_once(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact, found = (scorer(precision).score(QUERY, documents()).values for precision in ("fp32", "int8"))
    assert agreement(found, exact).tau > 0.85
    (made,) = cache.rglob(QUANTISED)
    before = made.stat().st_mtime_ns
    again = scorer("int8")
    assert np.array_equal(again.score(QUERY, documents()).values, found)
    assert made.stat().st_mtime_ns == before
    monkeypatch.setattr("shortlist.inference.load._calibrated", lambda *_: find_model(MODEL).ready_made)
    plain = scorer("int8").score(QUERY, documents()).values
    assert np.abs(found - exact).max() < np.abs(plain - exact).max()


def test_scores_and_graphs_are_kept_by_the_method_that_int8_was_made_by() -> None:
    method = QUANTISED.removesuffix(".onnx")
    assert method[-1].isdigit()
    assert f"({method})" in scorer("int8").fingerprint
    assert method not in scorer("fp32").fingerprint


def test_a_score_in_int8_does_not_depend_on_what_else_is_scored() -> None:
    model = scorer("int8")
    together = model.score(QUERY, documents()).values
    alone = [model.score(QUERY, [document]).values[0] for document in documents()]
    assert together == pytest.approx(alone, abs=0.02)  # padding moves floats by little, and a byte with them


@pytest.mark.parametrize(("sums_fit", "most"), [(True, 127), (False, 63)])
def test_weights_have_seven_bits_where_products_of_bytes_may_overflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sums_fit: bool, most: int
) -> None:
    monkeypatch.setattr("shortlist.inference.onnxruntime_static.sums_bytes_in_32_bits", lambda: sums_fit)
    made = onnx.load(str(save(linear(tmp_path), tmp_path)))
    (weights,) = [onnx.numpy_helper.to_array(one) for one in made.graph.initializer if one.name.endswith("/weights")]
    assert np.abs(weights).max() == most


def test_what_reaches_far_stays_exact(tmp_path: Path) -> None:
    file = linear(tmp_path)
    exact = OnnxRuntimeSession.load(file).infer(batch())
    found = OnnxRuntimeSession.load(save(file, tmp_path), precision=Precision.INT8).infer(batch())
    assert np.abs(exact).max() > 1000  # of the outliers
    assert np.abs(found - exact).max() < 1  # a hundredth of them would be more, at one range for all


def test_one_product_may_read_another_and_what_is_in_fp32_no_more_is_left_out(tmp_path: Path) -> None:
    file = linear(tmp_path, products=2)
    exact = OnnxRuntimeSession.load(file).infer(batch())
    made = save(file, tmp_path)
    found = OnnxRuntimeSession.load(made, precision=Precision.INT8).infer(batch())
    assert np.abs(found - exact).max() < 0.03 * np.abs(exact).max()
    written = onnx.load(str(made))
    read = {name for node in written.graph.node for name in node.input}
    assert {constant.name for constant in written.graph.initializer} <= read


def test_a_graph_that_cannot_be_in_int8_is_refused_and_nothing_is_kept(tmp_path: Path) -> None:
    file = linear(tmp_path, opset=9)
    with pytest.raises(UnsupportedModelError, match="opset 10"):
        save(file, tmp_path)
    assert not (tmp_path / QUANTISED).exists()


def test_a_cache_that_cannot_be_written_costs_a_calibration_at_every_start(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = scorer("int8").score(QUERY, documents()[:3]).values
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    assert scorer("int8").score(QUERY, documents()[:3]).values == pytest.approx(expected, abs=1e-4)


def save(file: Path, folder: Path) -> Path:
    out = folder / QUANTISED
    save_quantised(file, [batch()], out)
    return out


def batch() -> Batch:
    return pad([ModelInput(np.arange(1, 60, dtype=np.int32), 9)], pad_id=0)


def linear(folder: Path, *, products: int = 1, opset: int = 17) -> Path:
    """Write a table of 64 words, 128 wide with OUTLIERS channels of a thousand times the others, and products."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(64, 128)).astype(np.float32)
    table[:, :OUTLIERS] *= 1000
    weights = [rng.normal(size=(128, 128)).astype(np.float32) for _ in range(products)]
    value, helper = onnx.numpy_helper.from_array, onnx.helper
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        *(
            helper.make_node("MatMul", [f"product {i - 1}" if i else "rows", f"weight {i}"], [f"product {i}"])
            for i in range(products)
        ),
        helper.make_node("Add", [f"product {products - 1}", "bias"], ["logits"]),
    ]
    ports = [
        helper.make_tensor_value_info(name, onnx.TensorProto.INT64 if place == 0 else onnx.TensorProto.FLOAT, None)
        for place, name in enumerate(("input_ids", "logits"))
    ]
    constants = [value(table, "table"), value(np.ones(128, np.float32), "bias")]
    constants += [value(weight, f"weight {i}") for i, weight in enumerate(weights)]
    graph = helper.make_graph(nodes, "linear", ports[:1], ports[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 9
    onnx.save(model, str(folder / "model.onnx"))
    return folder / "model.onnx"


def test_quantising_neither_warns_nor_sets_up_the_processs_logging(caplog: pytest.LogCaptureFixture) -> None:
    file = find_model(MODEL).ready_made
    assert file is not None
    root = logging.getLogger()
    handlers = root.handlers[:]
    root.handlers.clear()  # as in a process that has set up none
    try:
        assert len(quantized(file)) < 50e6
        assert not root.handlers
    finally:
        root.handlers[:] = handlers
    with caplog.at_level(logging.WARNING):
        quantized(file)
    assert not caplog.records
