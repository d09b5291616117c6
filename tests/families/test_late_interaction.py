"""Late interaction reads and scores as ColBERT does, in each of its three layouts on disk."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from shortlist.errors import CorruptModelError, InputError, UnsupportedModelError
from shortlist.inference.colbert import read_layout
from shortlist.inference.load import available_engines, load_engine
from shortlist.inference.models import find_model
from shortlist.inference.tokens import Tokenizer
from shortlist.scorers.late_interaction import LateInteraction
from shortlist.types import Document, Query, ScoreKind

from .tiny import VOCABULARY, make_tokenizer, write_classifier, write_colbert, write_json, write_tensors

pytest.importorskip("onnx")

QUERY = Query("how tall is the tower ?")
TEXTS = ["it is 330 metres tall .", "cats sleep most of the day", "made of iron , . , tall", "tall " * 100, "? . ,"]
DOCUMENTS = [Document(text, str(i)) for i, text in enumerate(TEXTS)]
pytestmark = pytest.mark.usefixtures("own_cache")


def ids(*tokens: str) -> list[int]:
    return [VOCABULARY.index(token) for token in tokens]


def test_inputs_are_laid_out_as_colbert_does(tmp_path: Path) -> None:
    model = find_model(str(write_colbert(tmp_path)))
    tokenizer = Tokenizer.load(model.path / "tokenizer.json")
    layout = read_layout(model, tokenizer)
    text = tokenizer.encode(["how tall"])[0]
    query, document = layout.query_input(text, tokenizer), layout.document_input(text, tokenizer)
    assert query.ids.tolist() == ids("[CLS]", "[unused0]", "how", "tall", "[SEP]", *["[MASK]"] * 7)
    assert (len(query), query.attended) == (12, 5)
    assert document.ids.tolist() == ids("[CLS]", "[unused1]", "how", "tall", "[SEP]")
    assert sorted(layout.skipped.tolist()) == sorted(ids("?", ".", ","))
    assert (layout.room(layout.query, tokenizer), layout.room(layout.document, tokenizer)) == (9, 37)


def by_hand(folder: Path, engine: str) -> npt.NDArray[np.float32]:
    """MaxSim in plain loops over the vectors of the graph, one sequence at a time."""
    model = load_engine(str(folder), head="token_embeddings", engine=engine, precision="fp32")
    layout = read_layout(model.folder, model.engine.tokenizer)
    tokenizer, values = model.engine.tokenizer, []
    query = layout.query_input(tokenizer.encode([QUERY.text])[0], tokenizer)
    wanted = model.engine.run_tokens([query])[0]
    for text in TEXTS:
        read = layout.document_input(tokenizer.encode([text])[0][:37], tokenizer)
        vectors = model.engine.run_tokens([read])[0]
        total = 0.0
        for one in wanted:
            pairs = zip(read.ids.tolist(), vectors, strict=True)
            total += max(float(one @ vector) for token, vector in pairs if VOCABULARY[token] not in string.punctuation)
        values.append(total)
    return np.asarray(values, np.float32)


@pytest.mark.parametrize("engine", available_engines())
def test_scores_are_sums_of_the_best_cosines(engine: str, tmp_path: Path) -> None:
    folder = write_colbert(tmp_path)
    scores = LateInteraction.load(str(folder), engine=engine, precision="fp32").score(QUERY, DOCUMENTS)
    np.testing.assert_allclose(scores.values, by_hand(folder, engine), atol=1e-4)
    assert scores.kind is ScoreKind.SIMILARITY
    assert np.abs(scores.values).max() <= 12  # cosines, one a query position
    assert [(cut.doc_id, cut.seen, cut.total) for cut in scores.step.truncations] == [("3", 37, 100)]


def test_more_of_a_document_is_read_when_asked_for_up_to_the_models_positions(tmp_path: Path) -> None:
    folder = str(write_colbert(tmp_path))
    seen = {}
    for asked in (20, 60, 1000):
        scorer = LateInteraction.load(folder, precision="fp32", max_length=asked)
        seen[asked] = scorer.score(QUERY, DOCUMENTS).step.truncations[0].seen
    assert seen == {20: 17, 60: 57, 1000: 61}  # without [CLS], the marker and [SEP]; there are 64 positions
    with pytest.raises(InputError, match="max_length=3 leaves no room for a document; it must be 4 or more"):
        LateInteraction.load(folder, max_length=3)


def test_a_long_query_is_cut_at_the_models_query_length_and_says_so(tmp_path: Path) -> None:
    scorer = LateInteraction.load(str(write_colbert(tmp_path)), precision="fp32")
    step = scorer.score(Query("tall " * 50), DOCUMENTS[:1]).step
    assert [(cut.doc_id, cut.seen, cut.total) for cut in step.truncations] == [("(query)", 9, 50)]


def test_a_long_document_can_be_read_in_passages(tmp_path: Path) -> None:
    folder = write_colbert(tmp_path)
    buried = Document("cats " * 60 + "how tall is the tower", "0")
    by = {
        how: LateInteraction.load(str(folder), precision="fp32", long_documents=how).score(QUERY, [buried])
        for how in ("head", "passages-max")
    }
    assert by["passages-max"].values[0] > by["head"].values[0]
    assert by["passages-max"].step.truncations == ()


def test_masks_that_the_encoder_sees_change_the_scores(tmp_path: Path) -> None:
    hidden = LateInteraction.load(str(write_colbert(tmp_path / "a")), precision="fp32")
    seen = LateInteraction.load(str(write_colbert(tmp_path / "b", attend_to_mask_tokens=True)), precision="fp32")
    assert np.abs(hidden.score(QUERY, DOCUMENTS).values - seen.score(QUERY, DOCUMENTS).values).max() > 1e-3
    assert hidden.fingerprint.partition(":")[2] != seen.fingerprint.partition(":")[2]  # for the cache of scores


def test_equal_texts_have_exactly_equal_scores_whatever_they_are_batched_with(tmp_path: Path) -> None:
    scorer = LateInteraction.load(str(write_colbert(tmp_path)), precision="fp32")
    texts = [" ".join(["tall", "is"] * (i % 17 + 1)) for i in range(120)]
    by_text: dict[str, set[float]] = {}
    documents = [Document(text, str(i)) for i, text in enumerate(texts)]
    for text, value in zip(texts, scorer.score(QUERY, documents).values.tolist(), strict=True):
        by_text.setdefault(text, set()).add(value)
    assert {len(values) for values in by_text.values()} == {1}


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match=r"neither a Dense module nor a tensor 'linear\.weight'"):
        LateInteraction.load(str(write_classifier(tmp_path / "a", architectures=["BertModel"])))
    folder = write_colbert(tmp_path / "b")
    tokenizer = (folder / "tokenizer.json").read_text().replace("[MASK]", "[FILL]")
    (folder / "tokenizer.json").write_text(tokenizer)
    with pytest.raises(CorruptModelError, match=r"no token '\[MASK\]' to fill queries up with"):
        LateInteraction.load(str(folder))


def reference_scores(folder: Path) -> npt.NDArray[np.float32]:
    """What sentence-transformers makes of the same folder."""
    library = pytest.importorskip("sentence_transformers")
    model = library.MultiVectorEncoder(str(folder))
    query = model.encode_query([QUERY.text], convert_to_numpy=True)[0]
    documents = model.encode_document(TEXTS, convert_to_numpy=True)
    sums = [(np.asarray(query) @ np.asarray(one).T).max(axis=1).sum() for one in documents]
    return np.asarray(sums, np.float32)


def as_pylate(folder: Path) -> Path:
    """The same model as PyLate saves it: a Dense module, and its settings in one file."""
    write_colbert(folder)
    from shortlist.inference.export.checkpoint import Checkpoint

    projection = Checkpoint.open(folder).read("linear.weight", prefix="", shape=(None, None))
    (folder / "artifact.metadata").unlink()
    config = {"in_features": 32, "out_features": 8, "bias": False}
    write_json(folder / "1_Dense" / "config.json", config | {"activation_function": "torch.nn.modules.linear.Identity"})
    write_tensors(folder / "1_Dense" / "model.safetensors", {"linear.weight": projection})
    types = {"": "sentence_transformers.models.Transformer", "1_Dense": "pylate.models.Dense.Dense"}
    listed = [{"idx": i, "name": str(i), "path": p, "type": t} for i, (p, t) in enumerate(types.items())]
    write_json(folder / "modules.json", listed)
    said = {"query_prefix": "[unused0]", "document_prefix": "[unused1]", "query_length": 12, "document_length": 40}
    write_json(folder / "config_sentence_transformers.json", {"model_type": "ColBERT", **said})
    return folder


def test_the_layout_of_pylate_is_the_same_model(tmp_path: Path) -> None:
    original, pylate = write_colbert(tmp_path / "original"), as_pylate(tmp_path / "pylate")
    values = [LateInteraction.load(str(f), precision="fp32").score(QUERY, DOCUMENTS).values for f in (original, pylate)]
    np.testing.assert_allclose(values[0], values[1], atol=1e-5)


@pytest.mark.filterwarnings("ignore")  # of torch and transformers
@pytest.mark.parametrize("layout", ["original", "pylate", "saved again"])
def test_scores_are_those_of_sentence_transformers(layout: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    library, transformers = pytest.importorskip("sentence_transformers"), pytest.importorskip("transformers")
    folder = as_pylate(tmp_path / "m") if layout == "pylate" else write_colbert(tmp_path / "m")
    special: dict[str, Any] = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=make_tokenizer(), model_max_length=64, mask_token="[MASK]", **special
    )
    fast.save_pretrained(folder)
    if layout == "saved again":
        library.MultiVectorEncoder(str(folder)).save_pretrained(str(tmp_path / "again"))
        folder = tmp_path / "again"
    found = LateInteraction.load(str(folder), precision="fp32").score(QUERY, DOCUMENTS).values
    np.testing.assert_allclose(found, reference_scores(folder), atol=1e-4)
