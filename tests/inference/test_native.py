"""The native kernel against the library engines: the same scores, within its precision, in any company to the bit."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from families.tiny import CONFIG, make_tensors, write_classifier, write_colbert, write_modules
from shortlist.errors import MissingExtraError, UnsupportedModelError
from shortlist.evaluation.agreement import agreement
from shortlist.inference.load import load_engine
from shortlist.inference.processor import processor_features, suits_kernel
from shortlist.inference.ready_made import Head
from shortlist.inference.real_texts import real_texts
from shortlist.inference.tokens import ModelInput

kernel = pytest.importorskip("shortlist_native", reason="needs the kernel: pip install ./native")
pytest.importorskip("onnx", reason="needs the extra 'hub'")
PRECISIONS = kernel.precisions()
if not PRECISIONS:
    pytest.skip("this processor has neither AMX nor AVX2", allow_module_level=True)
ROUNDED = [precision for precision in PRECISIONS if precision != "int8"]  # hardly
LIMITS = {"bf16": 0.05, "int16": 0.005, "int8": 0.3}  # of logits that reach from -10 to 5

# Around the edges of tiles (16), of blocks (32), of a group of sequences (512), and the longest.
LENGTHS = (3, 15, 16, 17, 31, 32, 33, 48, 79, 195, 300, 511, 512)
pytestmark = pytest.mark.usefixtures("own_cache")


def drawn(lengths: tuple[int, ...], *, vocabulary: int = 30522, seed: int = 0) -> list[ModelInput]:
    rng = np.random.default_rng(seed)
    return [ModelInput(rng.integers(4, vocabulary, n).astype(np.int32), n // 3) for n in lengths]


def run(
    name: str, inputs: list[ModelInput], *, head: Head = "classification", **options: Any
) -> npt.NDArray[np.float32]:
    return load_engine(name, head=head, **options).engine.run(inputs)


def test_auto_takes_the_kernel_where_it_is_the_fastest() -> None:
    facts = load_engine("shortlist-minilm-l6", head="classification").engine.facts
    assert (facts["engine"] == f"native {kernel.__version__}") == suits_kernel(processor_features())
    if facts["engine"].startswith("native"):
        assert facts["precision"] == PRECISIONS[0]


@pytest.mark.parametrize(
    ("features", "suits"),
    [
        ({"amx_bf16", "avx512f", "avx2"}, True),
        ({"avx2"}, True),
        ({"avx2", "avx_vnni"}, True),
        ({"avx2", "avx512f", "avx512_vnni"}, False),
        ({"neon"}, False),
        (set(), False),
    ],
)
def test_the_kernel_suits_processors_where_it_was_measured(features: set[str], suits: bool) -> None:
    assert suits_kernel(features) == suits


@pytest.mark.parametrize("precision", PRECISIONS)
def test_logits_are_those_of_fp32_within_the_precision(precision: str) -> None:
    inputs = drawn(LENGTHS)
    loaded = load_engine("shortlist-minilm-l6", head="classification", engine="native", precision=precision)
    assert loaded.engine.facts["precision"] == precision
    exact = run("shortlist-minilm-l6", inputs, engine="onnxruntime", precision="fp32")
    np.testing.assert_allclose(loaded.engine.run(inputs), exact, atol=LIMITS[precision])


@pytest.mark.parametrize("precision", ROUNDED)
def test_vectors_of_a_bi_encoder_point_where_those_of_fp32_do(precision: str) -> None:
    inputs = [ModelInput(one.ids, len(one)) for one in drawn(LENGTHS)]
    found = run("all-minilm-l6-v2", inputs, head="mean_pooling", engine="native", precision=precision)
    exact = run("all-minilm-l6-v2", inputs, head="mean_pooling", engine="onnxruntime", precision="fp32")
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert (found * exact).sum(axis=1).min() > 0.999


@pytest.mark.parametrize(("precision", "tau"), [(one, {"int8": 0.95}.get(one, 0.99)) for one in PRECISIONS])
def test_the_order_of_real_texts_is_kept(precision: str, tau: float) -> None:
    loaded = load_engine("shortlist-minilm-l6", head="classification", engine="native", precision=precision)
    queries, passages = map(loaded.engine.tokenizer.encode, real_texts())
    for query in queries:
        inputs = [loaded.engine.tokenizer.pair.build(query, passage) for passage in passages]
        found = loaded.engine.run(inputs)[:, 0]
        exact = run("shortlist-minilm-l6", inputs, engine="onnxruntime", precision="fp32")[:, 0]
        np.testing.assert_allclose(found, exact, atol=LIMITS[precision])
        assert agreement(found, exact).tau > tau


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_pair_scores_the_same_to_the_bit_alone_and_in_any_company(precision: str) -> None:
    inputs = drawn(LENGTHS)
    engine = load_engine("shortlist-minilm-l6", head="classification", engine="native", precision=precision).engine
    together = engine.run(inputs)
    for place in range(len(inputs)):
        np.testing.assert_array_equal(engine.run([inputs[place]]), together[place : place + 1])
    others = drawn((512, 20, 7, 200), seed=1)
    np.testing.assert_array_equal(engine.run([*others, *inputs])[len(others) :], together)


def test_threads_at_once_do_not_disturb_each_other() -> None:
    engine = load_engine("shortlist-minilm-l6", head="classification", engine="native", threads=3).engine
    batches = [drawn(LENGTHS[seed % 5 :], seed=seed) for seed in range(12)]
    one_by_one = [engine.run(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        for found, expected in zip(pool.map(engine.run, batches), one_by_one, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_what_a_pair_cannot_see_does_not_count() -> None:
    whole, cut = (
        ModelInput(np.arange(10, 60, dtype=np.int32), 20, attended=30),
        ModelInput(np.arange(10, 40, dtype=np.int32), 20),
    )
    engine = load_engine("shortlist-minilm-l6", head="classification", engine="native").engine
    np.testing.assert_array_equal(engine.run([whole]), engine.run([cut]))


@pytest.mark.parametrize(
    ("hidden", "heads", "feed", "labels"),
    [(32, 1, 64, 1), (64, 1, 96, 2), (128, 2, 32, 3), (384, 12, 1536, 1), (1024, 16, 64, 1)],
)
def test_other_sizes_agree_with_a_library_engine(
    hidden: int, heads: int, feed: int, labels: int, tmp_path: Path
) -> None:
    sizes = {"hidden_size": hidden, "num_attention_heads": heads, "intermediate_size": feed, "num_labels": labels}
    tensors = make_tensors(spread=hidden**-0.5, **sizes)
    model = str(write_classifier(tmp_path / "model", tensors, **sizes))
    inputs = drawn((3, 16, 33, 64, 40, 5), vocabulary=CONFIG["vocab_size"])
    exact = run(model, inputs, engine="onnxruntime", precision="fp32")
    for precision in ROUNDED:
        found = run(model, inputs, engine="native", precision=precision)
        assert found.shape == (6, labels)
        np.testing.assert_allclose(found, exact, atol=0.6 * LIMITS[precision] * float(np.abs(exact).max()))
    if "int8" not in PRECISIONS:
        return
    if hidden % 64:
        with pytest.raises(UnsupportedModelError, match="multiple of 64"):
            run(model, inputs, engine="native", precision="int8")
    else:
        rounded = run(model, inputs, engine="native", precision="int8")
        np.testing.assert_allclose(rounded, exact, atol=0.05 + 0.1 * float(np.abs(exact).max()))


@pytest.mark.skipif("int16" not in PRECISIONS, reason="needs AVX2")
@pytest.mark.parametrize("sign", [1, -1])
def test_sums_of_int16_fit_where_all_of_them_point_the_same_way(sign: int, tmp_path: Path) -> None:
    sizes = {"hidden_size": 384, "num_attention_heads": 12, "intermediate_size": 768}
    tensors = make_tensors(**sizes)
    for name, values in tensors.items():
        if name.endswith("LayerNorm.weight"):
            values[:] = 0.001  # so that what the layers read is nearly alike,
        elif name.endswith("LayerNorm.bias"):
            values[:] = 1
        elif name.endswith(".weight") and ".layer." in name:
            values[:] = sign * 0.05  # and so are the weights: |a . b| comes to |a| |b|
    model = str(write_classifier(tmp_path / "model", tensors, **sizes))
    inputs = drawn((3, 16, 33), vocabulary=CONFIG["vocab_size"])
    exact = run(model, inputs, engine="onnxruntime", precision="fp32")
    found = run(model, inputs, engine="native", precision="int16")
    np.testing.assert_allclose(found, exact, atol=0.003 * float(np.abs(exact).max()))


@pytest.mark.parametrize("precision", ROUNDED)
def test_a_few_channels_may_outlie_the_others_a_hundred_times(precision: str, tmp_path: Path) -> None:
    """As they do in RoBERTa's and XLM-RoBERTa's rows: large and constant, and hardly weighed."""
    sizes = {"hidden_size": 384, "num_attention_heads": 12, "intermediate_size": 768}
    tensors, outliers = make_tensors(spread=384**-0.5, **sizes), [5, 77, 300]
    for name, values in tensors.items():
        if name.endswith("LayerNorm.weight"):
            values[:] = 1 if "embeddings" in name else np.sqrt((1 + 3 * 100**2 / 384) / 2)  # the others stay at 1
            values[outliers] = 1
        elif name.endswith("LayerNorm.bias"):
            values[outliers] = 100, -100, 100
        elif values.ndim == 2 and values.shape[1] == 384 and "embeddings" not in name:
            values[:, outliers] /= 100
    model = str(write_classifier(tmp_path / "model", tensors, **sizes))
    inputs = drawn(tuple(range(3, 63)), vocabulary=CONFIG["vocab_size"])
    exact = run(model, inputs, engine="onnxruntime", precision="fp32")
    found = run(model, inputs, engine="native", precision=precision)
    np.testing.assert_allclose(found, exact, atol=6 * LIMITS[precision] * float(exact.std()))
    assert agreement(found[:, 0], exact[:, 0]).tau > {"bf16": 0.95, "int16": 0.99}[precision]


@pytest.mark.parametrize("precision", ROUNDED)
@pytest.mark.parametrize("factor", [0, 1e5])
def test_weights_may_be_as_small_as_floats_are(factor: float, precision: str, tmp_path: Path) -> None:
    sizes = {"hidden_size": 64, "num_attention_heads": 1, "intermediate_size": 128}
    tensors = make_tensors(spread=0.1, **sizes)
    for layer in ("bert.encoder.layer.0.attention", "bert.encoder.layer.1.attention"):
        for part in ("weight", "bias"):
            tensors[f"{layer}.self.value.{part}"] *= factor
        tensors[f"{layer}.output.dense.weight"] *= 1 / factor if factor else 0
    model = str(write_classifier(tmp_path / "model", tensors, **sizes))
    inputs = drawn((3, 16, 33), vocabulary=CONFIG["vocab_size"])
    exact = run(model, inputs, engine="onnxruntime", precision="fp32")
    found = run(model, inputs, engine="native", precision=precision)
    np.testing.assert_allclose(found, exact, atol=0.6 * LIMITS[precision] * float(np.abs(exact).max()))


@pytest.mark.parametrize(
    ("changes", "said"),
    [({}, "heads of 32 or 64"), ({"hidden_act": "relu"}, "relu"), ({"model_type": "deberta"}, "this model is deberta")],
)
def test_auto_leaves_to_others_what_the_kernel_cannot_run(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    model = str(write_classifier(tmp_path / "model", **changes))  # heads of 8
    with pytest.raises(UnsupportedModelError, match=said):
        load_engine(model, head="classification", engine="native")
    if "model_type" not in changes:
        assert load_engine(model, head="classification").engine.facts["engine"].partition(" ")[0] != "native"


def test_int16_is_the_kernels_alone_so_that_auto_says_what_the_kernel_lacks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = str(write_classifier(tmp_path / "model"))  # heads of 8
    if "int16" in PRECISIONS:
        with pytest.raises(UnsupportedModelError, match="heads of 32 or 64"):
            load_engine(model, head="classification", precision="int16")
    monkeypatch.setitem(sys.modules, "shortlist_native", None)  # as if it were not installed
    with pytest.raises(MissingExtraError, match=r"pip install 'shortlist\[native\]'"):
        load_engine(model, head="classification", precision="int16")


def test_auto_does_without_the_kernel_where_its_weights_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)  # as if it were not installed
    with pytest.raises(MissingExtraError, match="onnx is not installed"):
        load_engine("shortlist-minilm-l6", head="classification", engine="native")
    assert "native" not in load_engine("shortlist-minilm-l6", head="classification").engine.facts["engine"]


def test_auto_does_without_a_kernel_of_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    older = ModuleType("shortlist_native")  # 0.1.0 had neither `precisions` nor int16
    older.__version__, older.__spec__ = "0.1.0", kernel.__spec__  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "shortlist_native", older)
    with pytest.raises(MissingExtraError, match=r"as 0\.1\.0, and .* is needed.*pip install 'shortlist\[native\]'"):
        load_engine("shortlist-minilm-l6", head="classification", engine="native")
    assert "native" not in load_engine("shortlist-minilm-l6", head="classification").engine.facts["engine"]


def test_other_heads_and_precisions_are_other_engines(tmp_path: Path) -> None:
    sizes = {"hidden_size": 32, "num_attention_heads": 1, "intermediate_size": 64}
    modules = str(write_modules(tmp_path / "modules"))
    for model, head in ((modules, "classification"), (str(write_colbert(tmp_path / "colbert")), "token_embeddings")):
        with pytest.raises(UnsupportedModelError):
            load_engine(model, head=head, engine="native")  # type: ignore[arg-type]
    model = str(write_classifier(tmp_path / "model", make_tensors(**sizes), **sizes))
    with pytest.raises(UnsupportedModelError, match="bf16, int8 or int16"):
        load_engine(model, head="classification", engine="native", precision="fp32")
    for missing in {"bf16", "int8", "int16"} - set(PRECISIONS):
        with pytest.raises(UnsupportedModelError, match=r"this machine allows .*; use precision='auto'"):
            load_engine(model, head="classification", engine="native", precision=missing)
    assert "native" not in load_engine(model, head="classification", precision="fp32").engine.facts["engine"]


def test_what_was_packed_is_used_again_and_made_again_where_it_is_damaged(tmp_path: Path) -> None:
    inputs = drawn((20, 30))
    first = run("shortlist-minilm-l6", inputs, engine="native")
    (packed,) = (tmp_path / "cache").rglob("qkv.npy")
    made, size = packed.stat().st_mtime_ns, packed.stat().st_size
    np.testing.assert_array_equal(run("shortlist-minilm-l6", inputs, engine="native"), first)
    assert packed.stat().st_mtime_ns == made
    packed.write_bytes(packed.read_bytes()[: size // 2])
    np.testing.assert_array_equal(run("shortlist-minilm-l6", inputs, engine="native"), first)
    assert packed.stat().st_size == size


@pytest.mark.parametrize("precision", PRECISIONS)
def test_tensors_may_stand_anywhere_in_memory(precision: str) -> None:
    """Those of a cache that cannot be written stand where numpy put them, 16 bytes behind the start of a line."""
    name = "shortlist-minilm-l6"
    session: Any = load_engine(name, head="classification", engine="native", precision=precision).engine.session
    ids, types, lengths = np.arange(40, dtype=np.int32), np.zeros(40, np.uint8), np.asarray([33, 7], np.int32)
    found, moved = np.zeros((2, 1), np.float32), np.zeros((2, 1), np.float32)
    kernel.encode(session._sizes, session._tensors, ids, types, lengths, found)
    kernel.encode(session._sizes, [shifted(one) for one in session._tensors], ids, types, lengths, moved)
    np.testing.assert_array_equal(moved, found)


def shifted(values: Any) -> Any:
    """A copy that starts one number behind the start of a line of 64 bytes."""
    room = np.empty(values.size + 128 // values.itemsize, values.dtype)
    start = -room.ctypes.data % 64 // values.itemsize + 1
    room[start : start + values.size] = values.ravel()
    return room[start : start + values.size]


@pytest.mark.skipif("int16" not in PRECISIONS, reason="needs AVX2")
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(("tensor", "place"), [(0, 3 * 384 + 5), (5, 384 + 5), (5, 768 + 5), (10, 5)])
def test_what_is_no_number_stays_none_in_int16(tensor: int, place: int, value: float) -> None:
    """In a word's row, in the bias of the first layer's keys or values, and in that of what is inside."""
    session: Any = load_engine("shortlist-minilm-l6", head="classification", engine="native", precision="int16")
    session = session.engine.session
    tensors, result = [*session._tensors], np.zeros((1, 1), np.float32)
    tensors[tensor] = np.array(tensors[tensor])
    tensors[tensor].reshape(-1)[place] = value
    ids, types = np.arange(33, dtype=np.int32), np.zeros(33, np.uint8)
    kernel.encode(session._sizes, tensors, ids, types, np.asarray([33], np.int32), result)
    assert not np.isfinite(result).any()


GOOD = (np.zeros(4, np.int32), np.zeros(4, np.uint8), np.asarray([4], np.int32), np.zeros((1, 1), np.float32))


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (0, np.asarray([1, 2, 3, 30522], np.int32), "id 30522"),
        (0, np.asarray([1, 2, 3, -1], np.int32), "id -1"),
        (1, np.asarray([0, 0, 2, 0], np.uint8), "type 2"),
        (1, np.zeros(3, np.uint8), "types holds 3 bytes"),
        (2, np.asarray([3], np.int32), "add up to 3"),
        (2, np.asarray([0], np.int32), "0 tokens long"),
        (3, np.zeros((2, 1), np.float32), "results holds 8 bytes"),
    ],
)
def test_the_kernel_refuses_what_it_would_read_beyond(place: int, value: Any, said: str) -> None:
    session: Any = load_engine("shortlist-minilm-l6", head="classification", engine="native").engine.session
    batch = [*GOOD]
    batch[place] = value
    with pytest.raises(ValueError, match=said):
        kernel.encode(session._sizes, session._tensors, *batch)


def test_the_kernel_refuses_tensors_that_are_too_small() -> None:
    session: Any = load_engine("shortlist-minilm-l6", head="classification", engine="native").engine.session
    tensors = [*session._tensors]
    tensors[4] = tensors[4][:-1]
    with pytest.raises(ValueError, match="qkv holds"):
        kernel.encode(session._sizes, tensors, *GOOD)
