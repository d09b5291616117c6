"""Long documents as jina-reranker-v2 reads them: its published rule, written once more here."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as RawTokenizer
from tokenizers import models, pre_tokenizers, processors

from shortlist.build.models import load_model
from shortlist.inference.batches import Batch
from shortlist.inference.engine import Engine
from shortlist.inference.session import Precision
from shortlist.inference.tokens import Tokenizer
from shortlist.passages.windows import LongDocuments
from shortlist.scorers.cross_encoder import CrossEncoder
from shortlist.types import Document, Query

from .tiny import write_classifier, write_json

START, PADDING, END = 0, 1, 2


def xlm_roberta() -> Tokenizer:
    """A tokenizer with XLM-R's frame: `<s> a </s></s> b </s>`, and one token a word `w0` to `w999`."""
    vocabulary = {"<s>": START, "<pad>": PADDING, "</s>": END, "<unk>": 3, **{f"w{i}": i + 4 for i in range(1000)}}
    raw = RawTokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    raw.post_processor = processors.RobertaProcessing(("</s>", END), ("<s>", START), trim_offsets=False)
    # the processor looks at pieces only; the vocabulary maps our probe text to <unk>
    return Tokenizer(raw, fingerprint="xlm-r", pad_id=PADDING)


class Recording:
    """A session that keeps what it is given, and scores a sequence by its largest id."""

    engine, precision, streams, device = "recording", Precision.FP32, 1, "cpu"

    def __init__(self) -> None:
        self.rows: list[list[int]] = []

    def infer(self, batch: Batch) -> npt.NDArray[np.float32]:
        lengths = batch.attention_mask.sum(axis=1)
        rows = [ids[:n].tolist() for ids, n in zip(batch.input_ids, lengths, strict=True)]
        self.rows += rows
        return np.asarray([[max(row)] for row in rows], np.float32)


def by_the_rule(query: list[int], passage: list[int], *, longest: int, query_longest: int) -> list[list[int]]:
    """The sequences of one passage, as the authors' code makes them from ids without special tokens."""
    asked = [START, *query[: query_longest - 2], END]
    chunk = longest - len(asked) - 2
    if len(passage) <= chunk:
        return [[*asked, END, *passage, END]]
    overlap = min(80, chunk // 4)
    made, start = [], 0
    while start < len(passage):
        end = start + chunk
        piece = passage[-chunk:] if end >= len(passage) else passage[start:end]
        start = end - overlap if end < len(passage) else end
        made.append([*asked, END, *piece, END])
    return made


def words(ids: list[int]) -> str:
    return " ".join(f"w{i - 4}" for i in ids)


def numbers(seed: int, count: int) -> list[int]:
    return [int(i) for i in np.random.default_rng(seed).integers(4, 1004, count)]


@given(
    query=st.integers(1, 90),
    passages=st.lists(st.integers(0, 700), min_size=1, max_size=4),
    longest=st.sampled_from([64, 100, 1024]),
    seed=st.integers(0, 99),
)
def test_sequences_and_scores_are_those_of_the_rule(query: int, passages: list[int], longest: int, seed: int) -> None:
    asked, texts = numbers(seed, query), [numbers(seed + i + 1, size) for i, size in enumerate(passages)]
    expected = [by_the_rule(asked, text, longest=longest, query_longest=longest // 2) for text in texts]
    session = Recording()
    scorer = CrossEncoder(
        Engine(xlm_roberta(), session),
        fingerprint="x",
        max_length=longest,
        long_documents=LongDocuments.PASSAGES_80,
    )
    scores = scorer.score(Query(words(asked)), [Document(words(text), str(i)) for i, text in enumerate(texts)])
    scorer.close()
    assert sorted(session.rows) == sorted(list(row) for row in {tuple(row) for rows in expected for row in rows})
    assert scores.values.tolist() == [max(max(row) for row in rows) for rows in expected]
    assert all(len(row) <= longest for row in session.rows)


def test_the_query_may_take_half_and_what_is_cut_is_said() -> None:
    scorer = CrossEncoder(
        Engine(xlm_roberta(), Recording()),
        fingerprint="x",
        max_length=1024,
        long_documents=LongDocuments.PASSAGES_80,
    )
    step = scorer.score(Query(words(numbers(1, 600))), [Document("w1", "0")]).step
    assert [(cut.doc_id, cut.seen, cut.total) for cut in step.truncations] == [("(query)", 510, 600)]


def test_a_model_with_code_of_its_own_runs_from_its_ready_made_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnx")
    from shortlist.inference.export import export_onnx

    monkeypatch.setenv("SHORTLIST_MODELS", str(tmp_path / "models"))
    plain_folder = write_classifier(tmp_path / "plain")
    made = export_onnx(plain_folder, tmp_path / "graph", head="classification", weights="float32").path
    folder = tmp_path / "models" / "jinaai--jina-reranker-v2-base-multilingual"
    write_classifier(folder, model_type=None, auto_map={"AutoModelForSequenceClassification": "own.Code"})
    (folder / "model.safetensors").unlink()
    (folder / "onnx").mkdir()
    shutil.copy(made, folder / "onnx")
    write_json(folder / "tokenizer_config.json", {"model_max_length": 40})
    scorer = load_model("jina-reranker-v2-base-multilingual", engine="onnxruntime")
    assert scorer.fingerprint.endswith(":40:passages-80")
    plain = load_model(str(tmp_path / "plain"), engine="onnxruntime", max_length=40, long_documents="passages-80")
    documents = [Document("cats sleep " * 60 + "how tall is the tower", "0"), Document("iron", "1")]
    scores = scorer.score(Query("how tall ?"), documents)
    np.testing.assert_array_equal(scores.values, plain.score(Query("how tall ?"), documents).values)
    assert scores.step.counts["pairs"] > 3
