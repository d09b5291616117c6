"""engine="torch" gives what transformers gives for any sequence classifier, and says what it cannot do."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer as RawTokenizer

torch = pytest.importorskip("torch", reason="needs the extra 'torch'")
transformers = pytest.importorskip("transformers", reason="needs the extra 'torch'")

from shortlist.errors import (
    CorruptModelError,
    InputError,
    ModelNotFoundError,
    OutOfMemoryError,
    UnsupportedModelError,
)
from shortlist.inference.engine import Engine
from shortlist.inference.load import load_engine
from shortlist.inference.models import find_model
from shortlist.inference.session import Precision
from shortlist.inference.tokens import ModelInput, Tokenizer
from shortlist.inference.torch_classifier import TorchClassifier
from shortlist.inference.torch_device import Placement
from shortlist.scorers.cross_encoder import CrossEncoder
from shortlist.settings import DEFAULT_ENCODER
from shortlist.types import Document, Query

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

QUERY = Query("How tall is the tower?")
DOCUMENTS = [
    Document("330 metres tall", "a"),
    Document("made of wrought iron " * 9, "b"),
    Document("", "c"),
    Document("another passage " * 60, "long"),
]
TOKENIZER = find_model(DEFAULT_ENCODER).path / "tokenizer.json"  # BERT's, with 30,522 words
SIZES: dict[str, Any] = {
    "vocab_size": 30522,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 66,
    "pad_token_id": 0,
    "num_labels": 1,
    "initializer_range": 0.2,
}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("Bert", {}),
    "electra": ("Electra", {"embedding_size": 24, "num_labels": 2}),
    "xlm-roberta": ("XLMRoberta", {"type_vocab_size": 1}),
    "deberta-v2": ("DebertaV2", {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "type_vocab_size": 0}),
    "modernbert": ("ModernBert", {"local_attention": 8, "cls_token_id": 101, "sep_token_id": 102}),
    "qwen3, without a padding token": ("Qwen3", {"num_key_value_heads": 2, "head_dim": 8, "pad_token_id": None}),
}


def save(folder: Path, family: str = "bert", **changes: Any) -> Path:
    stem, values = FAMILIES[family]
    torch.manual_seed(2)
    config = getattr(transformers, f"{stem}Config")(**SIZES | values | changes)
    getattr(transformers, f"{stem}ForSequenceClassification")(config).eval().save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes(TOKENIZER.read_bytes())
    return folder


def declare(folder: Path, **changes: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def by_transformers(folder: Path, max_length: int, dtype: Any = torch.float32) -> Any:
    """Each pair alone, as the tokenizer's own post-processor and truncation make it."""
    tokenizer = RawTokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length, strategy="only_second")
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, dtype=dtype).eval()
    logits = []
    for document in DOCUMENTS:
        pair = tokenizer.encode(QUERY.text, document.text)
        feeds = {"input_ids": torch.tensor([pair.ids])}
        if (getattr(model.config, "type_vocab_size", 0) or 0) > 1:
            feeds["token_type_ids"] = torch.tensor([pair.type_ids])
        with torch.no_grad():
            row = model(**feeds).logits.float()[0]
        logits.append((row[0] if len(row) == 1 else row[1] - row[0]).item())
    return np.asarray(logits)


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_equal_transformers(tmp_path: Path, family: str) -> None:
    folder = save(tmp_path, family)
    scorer = CrossEncoder.load(str(folder), engine="torch", precision="fp32", device="cpu", max_length=64)
    found = scorer.score(QUERY, DOCUMENTS)
    expected = by_transformers(folder, 64)
    assert np.ptp(expected) > 0.05
    np.testing.assert_allclose(found.values, expected, atol=1e-4)
    assert np.argsort(-found.values).tolist() == np.argsort(-expected).tolist()
    alone = np.concatenate([scorer.score(QUERY, [document]).values for document in DOCUMENTS])
    np.testing.assert_allclose(alone, expected, atol=1e-4)
    assert found.step.facts["device"] == "cpu"
    assert found.step.facts["engine"].startswith("torch 2")
    assert [t.doc_id for t in found.step.truncations] == ["long"]
    scorer.close()


def test_a_text_may_end_on_any_token_where_there_is_none_for_padding(tmp_path: Path) -> None:
    """Token 0 is "!" in GPT-2's and Qwen's vocabularies, and was taken for padding."""
    torch.manual_seed(3)
    config = transformers.Qwen3Config(
        **SIZES | FAMILIES["qwen3, without a padding token"][1] | {"vocab_size": 40, "max_position_embeddings": 32}
    )
    model = transformers.Qwen3ForSequenceClassification(config).eval()
    sequences = [[5, 7, 0], [5, 7, 0, 0], [0], [9, 1, 2, 3, 4, 5, 6, 7, 8, 9], [3, 0, 3], [1, 2]]
    with torch.no_grad():
        expected = [model(input_ids=torch.tensor([ids])).logits.item() for ids in sequences]
    session = TorchClassifier(model, placement=Placement.choose("cpu", Precision.FP32))
    inputs = [ModelInput(np.asarray(ids, np.int32), len(ids)) for ids in sequences]
    found = Engine(Tokenizer.load(TOKENIZER), session).run(inputs)[:, 0]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert len({round(value, 4) for value in expected}) == len(expected)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_is_near_and_its_logits_are_fp32(tmp_path: Path, precision: str) -> None:
    folder = save(tmp_path)
    found = CrossEncoder.load(str(folder), engine="torch", precision=precision, device="cpu").score(QUERY, DOCUMENTS)
    assert found.values.dtype == np.float32
    halved = torch.from_numpy(found.values).to(getattr(torch, {"bf16": "bfloat16", "fp16": "float16"}[precision]))
    assert (halved.float().numpy() != found.values).any()  # the head itself gives fp32, so that nothing ties
    assert found.step.facts["precision"] == precision
    np.testing.assert_allclose(found.values, by_transformers(folder, 66), atol=0.1)


def test_threads_give_the_same_scores(tmp_path: Path) -> None:
    scorer = CrossEncoder.load(str(save(tmp_path)), engine="torch", device="cpu")
    expected = scorer.score(QUERY, DOCUMENTS).values
    with ThreadPoolExecutor(6) as pool:
        for found in pool.map(lambda _: scorer.score(QUERY, DOCUMENTS), range(12)):
            np.testing.assert_array_equal(found.values, expected)


class Model:
    """A model whose memory holds `rows` rows; beyond, it raises `error`."""

    config = SimpleNamespace(type_vocab_size=0)

    def __init__(self, rows: int, error: Exception) -> None:
        self.rows, self.error = rows, error
        self.asked: list[int] = []

    def forward(self, input_ids: Any, attention_mask: Any) -> Any:
        self.asked.append(len(input_ids))
        if len(input_ids) > self.rows:
            raise self.error
        return SimpleNamespace(logits=input_ids[:, :1] * 0.5)

    __call__ = forward


def engine_of(model: Model) -> Engine:
    session = TorchClassifier(model, placement=Placement.choose("cpu", Precision.FP32))
    return Engine(Tokenizer.load(TOKENIZER), session)


INPUTS = [ModelInput(np.asarray([i, 1, 2], np.int32), 3) for i in range(11)]
NO_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"),
]


@pytest.mark.parametrize("error", NO_MEMORY)
def test_a_batch_that_does_not_fit_is_halved_and_that_is_said(error: Exception) -> None:
    model = Model(3, error)
    found = engine_of(model).infer(INPUTS)
    assert found.rows[:, 0].tolist() == [i * 0.5 for i in range(11)]
    assert model.asked == [11, 6, 3, 3, 5, 3, 2]
    assert found.degradations == ("1 batches did not fit into memory and were halved, down to 2 sequences",)
    assert engine_of(Model(11, error)).infer(INPUTS).degradations == ()


@pytest.mark.parametrize("error", NO_MEMORY)
def test_one_sequence_that_does_not_fit_is_an_error(error: Exception) -> None:
    with pytest.raises(OutOfMemoryError, match=r"one sequence does not fit into memory .*lower max_length"):
        engine_of(Model(0, error)).infer(INPUTS)


def test_no_other_error_is_tried_again() -> None:
    model = Model(3, RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        engine_of(model).infer(INPUTS)
    assert model.asked == [11]


def test_a_degradation_reaches_the_trace(tmp_path: Path) -> None:
    tokenizer = Tokenizer.load(TOKENIZER)
    session = TorchClassifier(Model(1, NO_MEMORY[0]), placement=Placement.choose("cpu", Precision.FP32))
    scores = CrossEncoder(Engine(tokenizer, session), fingerprint="f").score(QUERY, DOCUMENTS[:2])
    assert "did not fit into memory" in " ".join(scores.step.degradations)


def test_an_allocation_that_really_fails_is_told_apart() -> None:
    class Greedy(Model):
        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            return super().forward(input_ids, attention_mask) if len(input_ids) == 1 else torch.empty(10**15)

        __call__ = forward

    found = engine_of(Greedy(1, ValueError())).infer(INPUTS[:4])
    assert found.rows[:, 0].tolist() == [0, 0.5, 1, 1.5]


def test_devices_and_precisions_that_are_not_there_are_refused(tmp_path: Path) -> None:
    folder = str(save(tmp_path))
    with pytest.raises(InputError, match="device must be 'auto', 'cpu', 'cuda'"):
        CrossEncoder.load(folder, device="gpu")
    with pytest.raises(InputError, match=r"device='cuda:1' and .* need engine='torch'; got 'onnxruntime'"):
        CrossEncoder.load(folder, device="cuda:1", engine="onnxruntime")
    with pytest.raises(UnsupportedModelError, match="has no int8"):
        CrossEncoder.load(folder, engine="torch", precision="int8")
    with pytest.raises(UnsupportedModelError, match=r"comes as model.onnx only, .* use engine='auto'"):
        CrossEncoder.load("shortlist-minilm-l6", engine="torch")
    for engine in ("onnxruntime", "openvino"):
        with pytest.raises(UnsupportedModelError, match=r"has no fp16 .*torch"):
            load_engine(DEFAULT_ENCODER, head="mean_pooling", engine=engine, precision="fp16")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_missing_gpu_is_an_error_and_not_the_processor(tmp_path: Path, device: str) -> None:
    with pytest.raises(UnsupportedModelError, match=rf"device='{device}': .* sees 0 CUDA devices; use device='cpu'"):
        CrossEncoder.load(str(save(tmp_path)), device=device)


def test_auto_takes_torch_for_what_cannot_be_exported(tmp_path: Path) -> None:
    exportable = CrossEncoder.load(str(save(tmp_path / "bert"))).score(QUERY, DOCUMENTS)
    assert not exportable.step.facts["engine"].startswith("torch")
    other = CrossEncoder.load(str(save(tmp_path / "qwen", "qwen3, without a padding token"))).score(QUERY, DOCUMENTS)
    assert other.step.facts["engine"].startswith("torch")


def test_a_models_own_code_runs_only_when_asked_for(tmp_path: Path) -> None:
    folder = save(tmp_path)
    (folder / "own.py").write_text(
        "import pathlib\n"
        "from transformers import BertConfig, BertForSequenceClassification\n"
        f"pathlib.Path({str(tmp_path / 'has_run')!r}).touch()\n"
        "class OwnConfig(BertConfig):\n    model_type = 'own'\n"
        "class OwnForSequenceClassification(BertForSequenceClassification):\n    config_class = OwnConfig\n"
    )
    declare(
        folder,
        architectures=["OwnForSequenceClassification"],
        model_type="own",
        auto_map={
            "AutoConfig": "own.OwnConfig",
            "AutoModelForSequenceClassification": "own.OwnForSequenceClassification",
        },
    )
    for engine in ("torch", "auto"):
        with pytest.raises(UnsupportedModelError, match=r"code of OwnForSequence.*trust_remote_code=True if you trust"):
            CrossEncoder.load(str(folder), engine=engine)
    assert not (tmp_path / "has_run").exists()
    scorer = CrossEncoder.load(str(folder), trust_remote_code=True, precision="fp32", device="cpu")
    assert (tmp_path / "has_run").exists()
    expected = CrossEncoder.load(str(save(tmp_path / "plain")), engine="torch", precision="fp32", device="cpu")
    np.testing.assert_allclose(
        scorer.score(QUERY, DOCUMENTS).values, expected.score(QUERY, DOCUMENTS).values, atol=1e-5
    )


def test_weights_that_are_not_there_are_never_made_up(tmp_path: Path) -> None:
    folder = save(tmp_path)
    transformers.BertModel(transformers.BertConfig(**SIZES)).save_pretrained(tmp_path / "encoder")
    (tmp_path / "encoder" / "tokenizer.json").write_bytes(TOKENIZER.read_bytes())
    declare(tmp_path / "encoder", architectures=["BertForSequenceClassification"])
    with pytest.raises(CorruptModelError, match=r"weights are absent .*classifier"):
        CrossEncoder.load(str(tmp_path / "encoder"), engine="torch")
    declare(tmp_path / "encoder", architectures=["BertModel"])
    with pytest.raises(UnsupportedModelError, match=r"BertModel.*ForSequenceClassification is needed"):
        CrossEncoder.load(str(tmp_path / "encoder"), engine="torch")
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(CorruptModelError, match=r"is damaged, truncated or missing"):
        CrossEncoder.load(str(folder), engine="torch")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelNotFoundError, match=r"needs model.safetensors"):
        CrossEncoder.load(str(folder), engine="torch")
    with pytest.raises(UnsupportedModelError, match="runs neither bi-encoders"):
        load_engine(str(folder), head="mean_pooling", engine="torch")


def test_loading_says_nothing_and_leaves_transformers_as_it_was(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    logging = transformers.utils.logging
    folder = save(tmp_path)
    before = (logging.get_verbosity(), logging.is_progress_bar_enabled())
    capfd.readouterr()
    CrossEncoder.load(str(folder), engine="torch")
    assert capfd.readouterr() == ("", "")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before
