"""The native kernel on every family whose layers are BERT's, against transformers: logits and vectors."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from families.tiny import write_json
from families.zoo import (
    LENGTH,
    LONGEST,
    QUERY,
    TEXTS,
    bert_tokenizer,
    classifier,
    classifier_by_itself,
    framed,
    roberta_tokenizer,
    unigram_tokenizer,
    xlmr_tokenizer,
)
from shortlist.build.models import load_model
from shortlist.errors import UnsupportedModelError
from shortlist.evaluation.agreement import kendall_tau
from shortlist.inference.export import export_onnx
from shortlist.inference.load import load_engine
from shortlist.inference.processor import processor_features, suits_kernel
from shortlist.inference.tokens import ModelInput
from shortlist.types import Document, Query

kernel = pytest.importorskip("shortlist_native", reason="needs the kernel: pip install ./native")
pytest.importorskip("onnx", reason="needs the extra 'hub'")
torch = pytest.importorskip("torch", reason="needs the extra 'torch'")
transformers = pytest.importorskip("transformers", reason="needs the extra 'torch'")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
    pytest.mark.usefixtures("own_cache"),
]

PRECISIONS = kernel.precisions()
if not PRECISIONS:
    pytest.skip("this processor has neither AMX nor AVX2", allow_module_level=True)
LIMITS = {"bf16": 0.03, "int16": 0.003, "int8": 0.2}  # of the largest number
DOCUMENTS = [Document(text, str(place)) for place, text in enumerate(TEXTS)]
SMALL = {"hidden_size": 128, "num_attention_heads": 4, "intermediate_size": 256, "initializer_range": 0.1}
COUNTED = {"max_position_embeddings": LENGTH + 2, "type_vocab_size": 1}
FAR = COUNTED | {
    "max_position_embeddings": 409 + LENGTH
}  # this tokenizer's padding is 408, and positions begin behind it


def pads_with_0() -> Any:
    made = unigram_tokenizer(["<pad>", "<s>", "</s>", "<unk>"], "<unk>")
    return framed(made, "<s>", "</s> </s>", "</s>", second=0)


def tells_texts_apart() -> Any:
    return framed(xlmr_tokenizer(), "<s>", "</s> </s>", "</s>", second=1)


Make = Callable[[Path], Path]
BERT: Make = classifier("Bert", bert_tokenizer, "[PAD]", **SMALL)
XLMR: Make = classifier("XLMRoberta", xlmr_tokenizer, "<pad>", **SMALL, **COUNTED)
CLASSIFIERS: dict[str, Make] = {
    "roberta": classifier("Roberta", roberta_tokenizer, "<pad>", **SMALL, **FAR),
    "roberta of two types": classifier("Roberta", roberta_tokenizer, "<pad>", **SMALL, **{**FAR, "type_vocab_size": 2}),
    "xlm-roberta": XLMR,
    "xlm-roberta of two labels": classifier("XLMRoberta", xlmr_tokenizer, "<pad>", **SMALL, **COUNTED, num_labels=2),
    "another padding": classifier(
        "XLMRoberta", pads_with_0, "<pad>", **SMALL, **{**COUNTED, "max_position_embeddings": LENGTH + 1}
    ),
    "types without a table": classifier("XLMRoberta", tells_texts_apart, "<pad>", **SMALL, **COUNTED),
    "bert of one type": classifier("Bert", bert_tokenizer, "[PAD]", **SMALL, type_vocab_size=1),
    "camembert": classifier("Camembert", xlmr_tokenizer, "<pad>", **SMALL, **COUNTED),
    "electra": classifier("Electra", bert_tokenizer, "[PAD]", **SMALL, embedding_size=128),
}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("family", CLASSIFIERS)
def test_scores_are_those_of_transformers(family: str, precision: str, tmp_path: Path) -> None:
    folder = CLASSIFIERS[family](tmp_path / "model")
    exact = classifier_by_itself(folder)["none"]
    scorer = load_model(str(folder), engine="native", precision=precision)
    found = scorer.score(Query(QUERY), DOCUMENTS)
    assert str(LONGEST) in [each.doc_id for each in found.step.truncations]  # and so stood up to the last position
    np.testing.assert_allclose(found.values, exact, atol=LIMITS[precision] * float(np.abs(exact).max()))
    if precision != "int8":
        assert kendall_tau(found.values, exact.astype(np.float32)) > 0.9
    if suits_kernel(processor_features()):
        assert load_engine(str(folder), head="classification").engine.facts["engine"].startswith("native")


def bi_encoder(make: Make, folder: Path, *kinds: str, pooling: str) -> Path:
    """The encoder of a classifier, with the modules of sentence-transformers behind it."""
    make(folder)
    transformers.AutoModel.from_pretrained(folder).save_pretrained(folder)
    listed = {"": "Transformer", "1_Pooling": "Pooling", **{kind: kind for kind in kinds}}
    named = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in listed.items()]
    write_json(folder / "modules.json", named)
    write_json(folder / "1_Pooling" / "config.json", {f"pooling_mode_{pooling}": True})
    return folder


def vectors_by_itself(folder: Path, ids: list[npt.NDArray[np.int32]], *, first: bool) -> npt.NDArray[np.float64]:
    model, found = transformers.AutoModel.from_pretrained(folder).eval(), []
    for one in ids:
        with torch.no_grad():
            hidden = model(input_ids=torch.tensor(one[None].astype(np.int64))).last_hidden_state[0].double().numpy()
        vector = hidden[0] if first else hidden.mean(axis=0)
        found.append(vector / np.linalg.norm(vector))
    return np.stack(found)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("pooling", ["cls_token", "mean_tokens"])
@pytest.mark.parametrize("make", [BERT, XLMR], ids=["bert", "xlm-roberta"])
def test_vectors_are_those_of_transformers(make: Make, pooling: str, precision: str, tmp_path: Path) -> None:
    folder = bi_encoder(make, tmp_path / "model", "Normalize", pooling=pooling)
    loaded = load_engine(str(folder), head="mean_pooling", engine="native", precision=precision)
    rng = np.random.default_rng(0)
    ids = [rng.integers(5, 130, length).astype(np.int32) for length in (3, 15, 16, 17, 31, 47, 48, 49, LENGTH)]
    inputs = [ModelInput(one, len(one)) for one in ids]
    found, exact = loaded.engine.run(inputs), vectors_by_itself(folder, ids, first=pooling == "cls_token")
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert (found * exact).sum(axis=1).min() > {"int16": 0.99999, "bf16": 0.999, "int8": 0.97}[precision]
    assert len(ids[-1]) == loaded.folder.max_length
    for place in range(len(inputs)):
        np.testing.assert_array_equal(loaded.engine.run([inputs[place]]), found[place : place + 1])


@pytest.mark.parametrize(("hidden", "feed", "layers"), [(384, 1536, 3), (768, 3072, 2), (1024, 4096, 2)])
def test_the_widths_of_published_models_agree_up_to_their_last_position(
    hidden: int, feed: int, layers: int, tmp_path: Path
) -> None:
    sizes = {"hidden_size": hidden, "num_attention_heads": hidden // 64, "intermediate_size": feed}
    sizes |= {"num_hidden_layers": layers, "max_position_embeddings": 514, "type_vocab_size": 1}
    folder = classifier("XLMRoberta", xlmr_tokenizer, "<pad>", **sizes, initializer_range=hidden**-0.5)(tmp_path / "m")
    rng = np.random.default_rng(0)
    inputs = [ModelInput(rng.integers(4, 90, n).astype(np.int32), n) for n in (3, 63, 180, 257, 511, 512)]
    loaded = load_engine(str(folder), head="classification", engine="native", precision=PRECISIONS[0])
    assert loaded.folder.max_length == 512
    exact = load_engine(str(folder), head="classification", engine="onnxruntime", precision="fp32").engine.run(inputs)
    np.testing.assert_allclose(
        loaded.engine.run(inputs), exact, atol=LIMITS[PRECISIONS[0]] * float(np.abs(exact).max())
    )
    with pytest.raises(ValueError, match="513 tokens long; 1 to 512 can be read"):
        loaded.engine.run([ModelInput(np.full(513, 7, np.int32), 513)])


@pytest.mark.parametrize("precision", [one for one in PRECISIONS if one != "int8"])
def test_a_model_of_8192_tokens_reads_them_all(precision: str, tmp_path: Path) -> None:
    sizes = {"hidden_size": 64, "num_attention_heads": 1, "intermediate_size": 128, "num_hidden_layers": 2}
    sizes |= {"max_position_embeddings": 8194, "type_vocab_size": 1}
    folder = classifier("XLMRoberta", xlmr_tokenizer, "<pad>", **sizes, initializer_range=0.2)(tmp_path / "model")
    rng = np.random.default_rng(0)
    inputs = [ModelInput(rng.integers(4, 130, n).astype(np.int32), n) for n in (8192, 4099, 7)]
    exact = load_engine(str(folder), head="classification", engine="onnxruntime", threads=1).engine.run(inputs)
    loaded = load_engine(str(folder), head="classification", engine="native", precision=precision)
    assert loaded.folder.max_length == 8192
    np.testing.assert_allclose(
        loaded.engine.run(inputs), exact, atol=LIMITS[precision] * max(1, float(np.abs(exact).max()))
    )


REFUSED: dict[str, tuple[Make, str]] = {
    "narrow embeddings": (
        classifier("Electra", bert_tokenizer, "[PAD]", **SMALL, embedding_size=64),
        "embedding_size=64 and hidden_size=128",
    ),
    "another family": (
        classifier("DistilBert", bert_tokenizer, "[PAD]", dim=128, hidden_dim=256, n_heads=4, n_layers=2),
        "runs bert, camembert, electra, roberta, xlm-roberta; this model is distilbert",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_auto_leaves_to_others_what_the_kernel_cannot_run(case: str, tmp_path: Path) -> None:
    make, said = REFUSED[case]
    folder = str(make(tmp_path / "model"))
    with pytest.raises(UnsupportedModelError, match=said):
        load_engine(folder, head="classification", engine="native")
    assert "native" not in load_engine(folder, head="classification").engine.facts["engine"]


def test_a_graph_says_itself_how_it_pools(tmp_path: Path) -> None:
    """One that stands alone has no modules beside it that would."""
    found = {}
    for pooling in ("cls_token", "mean_tokens"):
        folder = bi_encoder(BERT, tmp_path / pooling, pooling=pooling)
        export_onnx(folder, tmp_path / f"{pooling} alone", head="mean_pooling", weights="float32")
        for file in ("config.json", "tokenizer.json", "tokenizer_config.json"):
            (tmp_path / f"{pooling} alone" / file).write_bytes((folder / file).read_bytes())
        inputs = [ModelInput(np.arange(5, 60, dtype=np.int32), 55)]
        run = partial(load_engine, str(tmp_path / f"{pooling} alone"), head="mean_pooling")
        found[pooling] = run(engine="native").engine.run(inputs)
        assert (found[pooling] * run(engine="onnxruntime").engine.run(inputs)).sum() > 0.999
    assert (found["cls_token"] * found["mean_tokens"]).sum() < 0.99
