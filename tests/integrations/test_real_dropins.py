"""Drop-ins beside what they stand in for: the real packages, the same weights, the same order."""

from __future__ import annotations

import inspect
import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from families.tiny import write_classifier
from shortlist.integrations import flashrank as our_flashrank
from shortlist.integrations import rerankers as our_rerankers
from shortlist.integrations.sentence_transformers import CrossEncoder
from shortlist.weights import find_packaged

pytestmark = [pytest.mark.filterwarnings("ignore")]  # of the packages and what they import

QUERY = "how tall is the tower ?"
TEXTS = [
    "cats sleep most of the day .",
    "the tower is 330 metres tall .",
    "it is made of wrought iron .",
    "",
    "tower " * 9,
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small classifier as `save_pretrained` writes it."""
    folder = write_classifier(tmp_path_factory.mktemp("model") / "small")
    about = {"tokenizer_class": "BertTokenizerFast", "model_max_length": 64, "pad_token": "[PAD]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(about))
    return folder


@pytest.fixture(scope="module")
def flashrank_cache(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The packaged model as FlashRank keeps a downloaded one, under one of its names."""
    config = pytest.importorskip("flashrank.Config")
    packaged = find_packaged("shortlist-minilm-l6")
    assert packaged is not None
    name = "ms-marco-MiniLM-L-12-v2"
    folder = tmp_path_factory.mktemp("flashrank") / name
    folder.mkdir()
    shutil.copy(packaged.folder / "model.onnx", folder / config.model_file_map[name])
    shutil.copy(packaged.folder / "tokenizer.json", folder)
    (folder / "config.json").write_text('{"pad_token_id": 0}')
    (folder / "tokenizer_config.json").write_text('{"model_max_length": 512, "pad_token": "[PAD]"}')
    (folder / "special_tokens_map.json").write_text('{"cls_token": "[CLS]", "sep_token": "[SEP]"}')
    return folder.parent, name


def test_flashrank(flashrank_cache: tuple[Path, str]) -> None:
    flashrank = pytest.importorskip("flashrank")
    cache, name = flashrank_cache
    texts = [text for text in TEXTS if text]  # with an empty one FlashRank does what it does; ours says so
    passages = [{"id": place, "text": text, "meta": {"n": place}} for place, text in enumerate(texts)]
    theirs = flashrank.Ranker(name, str(cache)).rerank(flashrank.RerankRequest(QUERY, [dict(one) for one in passages]))
    logging.disable(logging.NOTSET)
    ranker = our_flashrank.Ranker("shortlist-minilm-l6", str(cache), 512, precision="fp32", engine="onnxruntime")
    ours = ranker.rerank(our_flashrank.RerankRequest(QUERY, passages))
    assert [one["id"] for one in ours] == [one["id"] for one in theirs]
    assert [one["meta"] for one in ours] == [one["meta"] for one in theirs]
    sigmoids = 1 / (1 + np.exp(-np.array([one["score"] for one in ours])))
    assert sigmoids == pytest.approx(np.array([one["score"] for one in theirs], dtype=float), abs=2e-3)


def test_rerankers(model: Path) -> None:
    pytest.importorskip("torch")
    rerankers = pytest.importorskip("rerankers")
    ids, about = list("abcde"), [{"page": place} for place in range(5)]
    real = rerankers.Reranker(str(model), model_type="cross-encoder", verbose=0, device="cpu")
    ours = our_rerankers.Reranker(str(model), model_type="cross-encoder", engine="onnxruntime")
    theirs = real.rank(QUERY, TEXTS, doc_ids=ids, metadata=about)
    found = ours.rank(QUERY, TEXTS, doc_ids=ids, metadata=about)
    assert said(found) == said(theirs)
    assert [one.score for one in found] == pytest.approx([one.score for one in theirs], abs=1e-4)
    assert [one.doc_id for one in found.top_k(2)] == [one.doc_id for one in theirs.top_k(2)]
    assert found.results_count() == theirs.results_count()
    assert found.get_score_by_docid("b") == pytest.approx(theirs.get_score_by_docid("b"), abs=1e-4)
    assert ours.score(QUERY, TEXTS[1]) == pytest.approx(found.get_score_by_docid("b"), abs=1e-4)  # theirs raises


def said(results: Any) -> list[tuple[Any, ...]]:
    return [(one.doc_id, one.rank, one.text, one.document.metadata, one.page) for one in results]


def test_sentence_transformers(model: Path) -> None:
    torch = pytest.importorskip("torch")
    real = pytest.importorskip("sentence_transformers").CrossEncoder(str(model), device="cpu")
    ours = CrossEncoder(str(model), engine="onnxruntime")
    pairs = [(QUERY, text) for text in TEXTS]
    raw = real.predict(pairs, activation_fn=torch.nn.Identity())
    scores = ours.predict(pairs)
    assert scores.dtype == raw.dtype
    assert scores == pytest.approx(raw, abs=1e-4)
    for top_k, with_text in ((None, False), (2, True)):
        theirs = real.rank(QUERY, TEXTS, top_k=top_k, return_documents=with_text)
        found = ours.rank(QUERY, TEXTS, top_k=top_k, return_documents=with_text)
        assert [{**one, "score": 0} for one in found] == [{**one, "score": 0} for one in theirs]


def test_they_are_called_as_the_real_ones_are() -> None:
    """What may be given by its place stands at the same place."""
    flashrank, rerankers = pytest.importorskip("flashrank"), pytest.importorskip("rerankers")
    for theirs, ours, count in (
        (flashrank.Ranker.__init__, our_flashrank.Ranker.__init__, 5),
        (flashrank.RerankRequest.__init__, our_flashrank.RerankRequest.__init__, 3),
        (rerankers.Document.__init__, our_rerankers.Document.__init__, 4),
    ):
        names = [list(inspect.signature(one).parameters)[:count] for one in (theirs, ours)]
        assert names[0] == names[1]
