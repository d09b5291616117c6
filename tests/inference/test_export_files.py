"""Exports read damaged folders with clear errors, and write files that stay whole."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from families import tiny
from shortlist.errors import (
    CorruptModelError,
    InputError,
    ModelError,
    ModelNotFoundError,
    UnsupportedModelError,
)
from shortlist.inference.export import FAMILIES, export_onnx
from shortlist.inference.export.graph import as_bytes, as_nibbles, fits_half, from_nibbles
from shortlist.inference.export.restored import restored
from shortlist.inference.export.safetensors import list_tensors

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
openvino = pytest.importorskip("openvino")

Tensors = dict[str, npt.NDArray[Any]]
Numbers = npt.NDArray[np.float64]
Feed = dict[str, npt.NDArray[np.int64]]

CONFIG: dict[str, Any] = {
    "model_type": "bert",
    "architectures": ["BertForSequenceClassification"],
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "hidden_act": "gelu",
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
}
# No timing may fail a test: the machine may be busy.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

FEED: Feed = {
    "input_ids": np.array([[1, 5, 6, 7, 8], [1, 9, 0, 0, 0]]),
    "attention_mask": np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]]),
    "token_type_ids": np.array([[0, 0, 1, 1, 1], [0, 1, 0, 0, 0]]),
}
QUERY = "bert.encoder.layer.1.attention.self.query.weight"


def make_tensors() -> Tensors:
    return tiny.make_tensors(spread=1.0, hidden_size=8, intermediate_size=12, max_position_embeddings=16)


def write_model(folder: Path, tensors: Tensors | None = None, **changes: Any) -> Path:
    tiny.write_json(folder / "config.json", CONFIG | changes)
    tiny.write_tensors(folder / "model.safetensors", tensors or make_tensors())
    return folder


def logits(path: Path) -> npt.NDArray[np.float32]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    scores: npt.NDArray[np.float32] = session.run(None, FEED)[0]
    return scores


def by_hand(tensors: Tensors, feed: Feed) -> npt.NDArray[np.float64]:
    """BERT with a classifier, written once more from the paper's formulas."""
    weights = {name.removeprefix("bert."): values.astype(np.float64) for name, values in tensors.items()}

    def linear(x: Numbers, name: str) -> Numbers:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(x: Numbers, name: str) -> Numbers:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + CONFIG["layer_norm_eps"])
        normed: Numbers = scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]
        return normed

    def apart(x: Numbers) -> Numbers:
        return x.reshape(*x.shape[:2], 2, 4).swapaxes(1, 2)

    x = weights["embeddings.word_embeddings.weight"][feed["input_ids"]]
    x = x + weights["embeddings.token_type_embeddings.weight"][feed["token_type_ids"]]
    x = norm(x + weights["embeddings.position_embeddings.weight"][: x.shape[1]], "embeddings.LayerNorm")
    hidden = feed["attention_mask"][:, None, None, :] == 0
    erf = np.vectorize(math.erf)
    for layer in ("encoder.layer.0", "encoder.layer.1"):
        query, key, value = (apart(linear(x, f"{layer}.attention.self.{part}")) for part in ("query", "key", "value"))
        scores = np.where(hidden, -np.inf, query @ key.swapaxes(2, 3) / 2)
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (shares / shares.sum(-1, keepdims=True)) @ value
        mixed = linear(mixed.swapaxes(1, 2).reshape(x.shape), f"{layer}.attention.output.dense")
        x = norm(x + mixed, f"{layer}.attention.output.LayerNorm")
        fed = linear(x, f"{layer}.intermediate.dense")
        fed = linear(fed * (1 + erf(fed / math.sqrt(2))) / 2, f"{layer}.output.dense")
        x = norm(x + fed, f"{layer}.output.LayerNorm")
    return linear(np.tanh(linear(x[:, 0], "pooler.dense")), "classifier")


def test_logits_equal_a_second_implementation_on_both_runtimes(tmp_path: Path) -> None:
    tensors = make_tensors()
    exported = export_onnx(write_model(tmp_path, tensors), tmp_path / "out", head="classification", weights="float32")
    expected = by_hand(tensors, FEED)
    np.testing.assert_allclose(logits(exported.path), expected, atol=1e-5)
    compiled = openvino.Core().compile_model(str(exported.path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    np.testing.assert_allclose(compiled(FEED)[0], expected, atol=1e-5)


def test_a_row_without_any_token_gives_finite_scores(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    empty = FEED | {"attention_mask": np.zeros_like(FEED["attention_mask"])}
    for head in ("classification", "mean_pooling"):
        exported = export_onnx(folder, tmp_path / head, head=head)
        session = onnxruntime.InferenceSession(str(exported.path), providers=["CPUExecutionProvider"])
        assert np.isfinite(session.run(None, empty)[0]).all()


def test_the_graph_is_valid_onnx(tmp_path: Path) -> None:
    exported = export_onnx(write_model(tmp_path), tmp_path / "out", head="classification")
    onnx.checker.check_model(str(exported.path), full_check=True)
    assert [each.name for each in onnx.load(exported.path).graph.output] == ["logits"]


@pytest.mark.parametrize("head", ["classification", "mean_pooling"])
def test_exporting_twice_gives_the_same_bytes(head: Any, tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    files = [export_onnx(folder, tmp_path / name, head=head).path.read_bytes() for name in ("one", "two")]
    assert files[0] == files[1]


@pytest.mark.parametrize(
    "rename",
    [
        lambda name: name.removeprefix("bert."),
        lambda name: name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"),
    ],
    ids=["without prefix", "legacy norms"],
)
def test_renamed_tensors_are_found(rename: Callable[[str], str], tmp_path: Path) -> None:
    renamed = {rename(name): values for name, values in make_tensors().items()}
    files = [
        export_onnx(write_model(tmp_path / name, tensors), tmp_path / f"{name}-out", head="classification").path
        for name, tensors in (("plain", make_tensors()), ("renamed", renamed))
    ]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("name", sorted(make_tensors()))
def test_a_missing_tensor_is_named(name: str, tmp_path: Path) -> None:
    tensors = make_tensors()
    del tensors[name]
    with pytest.raises(CorruptModelError, match=name):
        export_onnx(write_model(tmp_path, tensors), tmp_path / "out", head="classification")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("size", [0, 5, 8, 60, 1500, 5000, -1])
def test_a_truncated_file_is_an_error(size: int, tmp_path: Path) -> None:
    weights = write_model(tmp_path) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:size])
    with pytest.raises(CorruptModelError, match=r"truncated.*fetch the model again"):
        export_onnx(tmp_path, tmp_path / "out", head="classification")


@unhurried
@given(noise=st.binary(max_size=64), start=st.integers(0, 400))
def test_no_damage_of_the_header_escapes_as_another_error(
    noise: bytes, start: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("damage") / "model.safetensors"
    tiny.write_tensors(path, {"a": np.ones((3, 4), np.float32), "b": np.ones(5, np.float16)})
    content = bytearray(path.read_bytes())
    content[start : start + len(noise)] = noise
    path.write_bytes(content)
    with suppress(CorruptModelError, UnsupportedModelError):
        for tensor in list_tensors(path).values():
            assert tensor.read().shape == tensor.shape


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((8, 8), np.nan, np.float32), "NaN or infinity"),
        (np.ones((8, 9), np.float32), r"shape \(8, 9\), but config.json asks for 8 x 8"),
        (np.ones(8, np.float32), r"shape \(8,\)"),
    ],
)
def test_an_unusable_tensor_is_named(values: npt.NDArray[Any], message: str, tmp_path: Path) -> None:
    folder = write_model(tmp_path, make_tensors() | {QUERY: values})
    with pytest.raises(CorruptModelError, match=message) as caught:
        export_onnx(folder, tmp_path / "out", head="classification")
    assert QUERY in str(caught.value)


def test_quantised_tensors_are_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path, make_tensors() | {QUERY: np.ones((8, 8), np.int8)})
    with pytest.raises(UnsupportedModelError, match=r"is of type I8.*unquantised"):
        export_onnx(folder, tmp_path / "out", head="classification")


def test_a_shard_that_lacks_a_promised_tensor_is_an_error(tmp_path: Path) -> None:
    weights = write_model(tmp_path) / "model.safetensors"
    weights.rename(tmp_path / "part.safetensors")
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"absent": "part.safetensors"}}), encoding="utf-8")
    with pytest.raises(CorruptModelError, match="lacks the tensor 'absent'"):
        export_onnx(tmp_path, tmp_path / "out", head="classification")
    index.write_text(json.dumps({"weight_map": {"absent": "gone.safetensors"}}), encoding="utf-8")
    with pytest.raises(CorruptModelError, match=r"gone\.safetensors"):
        export_onnx(tmp_path, tmp_path / "out", head="classification")
    index.write_text("[]", encoding="utf-8")
    with pytest.raises(CorruptModelError, match=r"index\.json cannot be read"):
        export_onnx(tmp_path, tmp_path / "out", head="classification")


def test_missing_files_say_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"no config\.json"):
        export_onnx(tmp_path, tmp_path / "out", head="classification")
    (write_model(tmp_path) / "model.safetensors").unlink()
    with pytest.raises(ModelNotFoundError, match=r"no model\.safetensors"):
        export_onnx(tmp_path, tmp_path / "out", head="classification")
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(UnsupportedModelError, match="pickled weights"):
        export_onnx(tmp_path, tmp_path / "out", head="classification")


@pytest.mark.parametrize("content", ["{", "[]", '"text"', "\ufeff{}"])
def test_a_damaged_config_is_an_error(content: str, tmp_path: Path) -> None:
    (write_model(tmp_path) / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(CorruptModelError, match=r"config\.json"):
        export_onnx(tmp_path, tmp_path / "out", head="classification")


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_size": "8"},
        {"hidden_size": None},
        {"num_attention_heads": 0},
        {"num_attention_heads": 3},
        {"num_hidden_layers": True},
        {"layer_norm_eps": -1},
        {"hidden_act": 7},
        {"architectures": "BertModel|3", "model_type": 4},
        {"architectures": {"a": 1}},
    ],
)
def test_an_unusable_setting_is_an_error(changes: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(CorruptModelError, match=r"config\.json"):
        export_onnx(write_model(tmp_path, **changes), tmp_path / "out", head="classification")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "bertt"}, "nearest: bert"),
        ({"model_type": "gpt2"}, "known are bert, camembert.*ready-made ONNX"),
        ({"model_type": None}, "model_type=''"),
        ({"architectures": ["BertForMaskedLM"]}, "must name BertForSequenceClassification"),
        ({"architectures": ["JinaBertForSequenceClassification"]}, "JinaBert"),
        ({"architectures": None, "auto_map": {"AutoModel": "code.py"}}, "architectures="),
        ({"position_embedding_type": "relative_key"}, "relative_key"),
        ({"is_decoder": True}, "is_decoder=True"),
        ({"hidden_act": "mish"}, "activation 'mish'.*known are gelu"),
    ],
)
def test_what_cannot_be_exported_says_what_can(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match=message):
        export_onnx(write_model(tmp_path, **changes), tmp_path / "out", head="classification")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "modernbert", "layer_types": ["full_attention"]}, "layer_types must name 2 layers"),
        ({"model_type": "modernbert", "rope_parameters": {"full_attention": {"rope_type": "yarn"}}}, "'yarn'"),
        ({"model_type": "modernbert", "rope_scaling": {"rope_type": "linear"}}, "'linear'"),
        ({"model_type": "modernbert", "classifier_pooling": "max"}, "classifier_pooling='max'"),
        ({"model_type": "deberta-v2"}, "relative_attention=False"),
        ({"model_type": "deberta-v2", "relative_attention": True, "conv_kernel_size": 3}, "conv_kernel_size=3"),
        ({"model_type": "deberta-v2", "relative_attention": True, "pos_att_type": ["p2p"]}, "p2p"),
    ],
)
def test_settings_of_other_families_are_checked(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    family = FAMILIES[changes["model_type"]]
    folder = write_model(tmp_path, architectures=[family.classifier], **changes)
    with pytest.raises(UnsupportedModelError, match=message):
        export_onnx(folder, tmp_path / "out", head="classification")


def test_an_encoder_takes_every_architecture_of_its_family(tmp_path: Path) -> None:
    folder = write_model(tmp_path, architectures=["BertForMaskedLM"])
    assert export_onnx(folder, tmp_path / "out", head="mean_pooling").width == 8


@pytest.mark.parametrize("arguments", [{"head": "ranking"}, {"head": "classification", "weights": "int2"}])
def test_unknown_choices_are_an_error(arguments: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ranking|int2"):
        export_onnx(write_model(tmp_path), tmp_path / "out", **arguments)


@pytest.mark.parametrize("factor", [1e6, 1e-6])
def test_weights_that_do_not_fit_half_precision_stay_float32(factor: float, tmp_path: Path) -> None:
    tensors = make_tensors()
    tensors["classifier.weight"] = tensors["classifier.weight"] * np.float32(factor)
    folder = write_model(tmp_path, tensors)
    half, full = (
        export_onnx(folder, tmp_path / weights, head="classification", weights=weights)
        for weights in ("float16", "float32")
    )
    assert half.kept_float32 == ("classifier.weight",)
    np.testing.assert_allclose(logits(half.path), logits(full.path), rtol=0.02)


def test_large_models_keep_their_constants_beside_the_graph(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    whole = export_onnx(folder, tmp_path / "whole", head="classification", weights="float32")
    apart = export_onnx(folder, tmp_path / "apart", head="classification", weights="float32", largest_single_file=100)
    assert [file.name for file in sorted(apart.path.parent.iterdir())] == ["model.onnx", "model.onnx.data"]
    assert [file.name for file in sorted(whole.path.parent.iterdir())] == ["model.onnx"]
    moved = tmp_path / "moved"
    shutil.move(apart.path.parent, moved)
    np.testing.assert_array_equal(logits(moved / "model.onnx"), logits(whole.path))


def test_a_small_export_leaves_no_constants_of_a_large_one_behind(tmp_path: Path) -> None:
    folder, out = write_model(tmp_path), tmp_path / "out"
    export_onnx(folder, out, head="classification", largest_single_file=100)
    export_onnx(folder, out, head="classification")
    assert [file.name for file in out.iterdir()] == ["model.onnx"]


def test_a_failing_write_keeps_the_old_export(tmp_path: Path) -> None:
    folder, out = write_model(tmp_path), tmp_path / "out"
    (out / "model.onnx").mkdir(parents=True)  # cannot be replaced by a file, whoever runs the test
    with pytest.raises(ModelError, match="cannot be written"):
        export_onnx(folder, out, head="classification")
    assert [file.name for file in out.iterdir()] == ["model.onnx"]


@unhurried
@given(
    arrays.arrays(
        np.float32,
        arrays.array_shapes(min_dims=2, max_dims=2, max_side=6),
        elements=st.floats(-(2.0**20), 2.0**20, width=32),
    )
)
def test_half_precision_is_taken_only_where_it_is_exact_enough(values: npt.NDArray[np.float32]) -> None:
    halved = fits_half(values)
    if halved is None:
        assert np.abs(values).max() > 65504 or np.abs(values)[values != 0].min() < 2**-14
    else:
        error = np.linalg.norm(halved.astype(np.float64) - values)
        assert error <= 6.01e-4 * np.linalg.norm(values.astype(np.float64))


def test_int8_storage_of_a_table_is_small_and_moves_logits_little(tmp_path: Path) -> None:
    tensors = make_tensors()
    words = np.random.default_rng(5).normal(size=(2000, 8)).astype(np.float32)
    known = tensors["bert.embeddings.word_embeddings.weight"]
    words[: len(known)] = known
    folder = write_model(tmp_path, tensors | {"bert.embeddings.word_embeddings.weight": words}, vocab_size=2000)
    packed, full = (
        export_onnx(folder, tmp_path / weights, head="classification", weights=weights)
        for weights in ("int8", "float32")
    )
    assert packed.path.stat().st_size < 0.6 * full.path.stat().st_size  # 8 bytes and a scale of 4, of 32 a row
    np.testing.assert_allclose(logits(packed.path), logits(full.path), atol=0.05)


@given(values=arrays.arrays(np.float32, (5, 7), elements=st.floats(-1e4, 1e4, width=32)), axis=st.sampled_from([0, 1]))
def test_a_byte_is_half_a_step_off_at_most(values: npt.NDArray[np.float32], axis: int) -> None:
    packed, scale = as_bytes(values, axis=axis)
    assert scale.shape == ((1, 7), (5, 1))[axis]
    assert (np.abs(packed * scale - values) <= scale * 0.501 + 1e-9).all()


def in_four_bits(rng: np.random.Generator, shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Weights as they are released in 4 bits: in each 32 of a row, one at -8 times the scale."""
    numbers = rng.integers(-7, 8, (shape[0], shape[1] // 32, 32))
    numbers[..., 5] = -8
    scales = rng.uniform(0.004, 0.02, numbers.shape[:2]).astype(np.float16) * rng.choice([-1, 1], numbers.shape[:2])
    values: npt.NDArray[np.float32] = (numbers * scales[..., None].astype(np.float32)).reshape(shape).astype(np.float32)
    return values


def test_what_was_released_in_4_bits_is_found_again() -> None:
    values = in_four_bits(np.random.default_rng(2), (50, 128))
    values[3, 32:64] = 0  # a block of nothing has no scale
    halves = as_nibbles(values)
    assert halves is not None
    assert (halves[0].shape, halves[1].shape) == ((50, 64), (50, 4))
    np.testing.assert_allclose(from_nibbles(*halves), values, rtol=1e-3, atol=1e-7)


def test_other_weights_are_too_fine_for_4_bits() -> None:
    assert as_nibbles(np.random.default_rng(2).normal(size=(50, 128)).astype(np.float32)) is None


def test_4_bit_storage_changes_nothing_of_what_was_in_4_bits(tmp_path: Path) -> None:
    rng, tensors = np.random.default_rng(4), make_tensors()
    wide: Tensors = {}
    for name, values in tensors.items():
        rows, *columns = [{8: 128, 12: 192}.get(int(size), int(size)) for size in values.shape]
        is_released = bool(columns) and rows > 20
        drawn = rng.normal(size=(rows, *columns)).astype(np.float32) * 0.1
        wide[name] = in_four_bits(rng, (rows, columns[0])) if is_released else drawn
    words = "bert.embeddings.word_embeddings.weight"
    wide[words] = in_four_bits(rng, (200, 128))
    folder = write_model(tmp_path, wide, hidden_size=128, intermediate_size=192, vocab_size=200)
    packed, full = (
        export_onnx(folder, tmp_path / weights, head="classification", weights=weights)
        for weights in ("int4", "float32")
    )
    assert packed.path.stat().st_size < 0.25 * full.path.stat().st_size
    np.testing.assert_allclose(logits(packed.path), logits(full.path), atol=2e-3)
    compiled = openvino.Core().compile_model(str(packed.path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    np.testing.assert_allclose(compiled(FEED)[0], logits(full.path), atol=2e-3)
    found = restored(packed.path, CONFIG)
    assert [found.config[name] for name in ("hidden_size", "intermediate_size", "vocab_size")] == [128, 192, 200]
    again = found.tensors
    for name in (words, QUERY, "bert.encoder.layer.0.output.dense.weight"):
        np.testing.assert_allclose(again[name], wide[name], rtol=2e-3, atol=1e-6)
