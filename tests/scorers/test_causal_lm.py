"""Causal language models give what a plain forward pass of transformers gives, whatever the batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from tokenizers import Tokenizer

torch = pytest.importorskip("torch", reason="needs the extra 'torch'")
transformers = pytest.importorskip("transformers", reason="needs the extra 'torch'")

from shortlist.errors import InputError, UnsupportedModelError
from shortlist.scorers.causal_lm import load_causal_lm
from shortlist.types import Document, Query, ScoreKind

from .language_models import save_gemma, save_qwen2, save_qwen3
from .layouts import Layout, bge_layout, mxbai_layout, qwen3_layout

QUERY = Query("How tall is the Eiffel Tower?")
DOCUMENTS = [
    Document("The tower is 330 metres tall.", "height"),
    Document("It is made of wrought iron.", "iron"),
    Document("", "empty"),
    Document("(1,083 ft)\n\n  東京タワー and é\n", "odd"),
    Document("yes " * 20, "twenty words"),
    Document("the passage about the tower contains an answer " * 100, "long"),
]
MAX_LENGTH = 300
Floats = npt.NDArray[np.float32]


def plain_logits(folder: Path, rows: Sequence[list[int]], *, side: str, dtype: Any = None) -> Any:
    """The whole output matrix at each row's last position, `[rows, vocabulary]`, padded on either side."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype or torch.float32).eval()
    longest = max(map(len, rows))
    ids, mask = torch.full((len(rows), longest), 7), torch.zeros((len(rows), longest), dtype=torch.long)
    for row, one in enumerate(rows):
        where = slice(longest - len(one), None) if side == "left" else slice(0, len(one))
        ids[row, where], mask[row, where] = torch.tensor(one), 1
    with torch.no_grad():
        logits = model(input_ids=ids, attention_mask=mask).logits.float()
    last = torch.full((len(rows),), longest - 1) if side == "left" else mask.sum(1) - 1
    return logits[torch.arange(len(rows)), last]


def qwen3_score(logits: Any, tokenizer: Tokenizer) -> Floats:
    return np.asarray(logits[:, tokenizer.token_to_id("yes")] - logits[:, tokenizer.token_to_id("no")])


def yes_score(logits: Any, tokenizer: Tokenizer) -> Floats:
    return np.asarray(logits[:, tokenizer.token_to_id("Yes")])


def mxbai_score(logits: Any, tokenizer: Tokenizer) -> Floats:
    return np.asarray(logits[:, tokenizer.token_to_id("1")] - logits[:, tokenizer.token_to_id("0")])


FAMILIES: dict[str, tuple[Callable[[Path], Path], Layout, Callable[[Any, Tokenizer], Floats]]] = {
    "qwen3": (save_qwen3, qwen3_layout, qwen3_score),
    "bge-gemma": (save_gemma, bge_layout, yes_score),
    "mxbai-v2": (save_qwen2, mxbai_layout, mxbai_score),
}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    return request.param, FAMILIES[request.param][0](tmp_path_factory.mktemp(request.param))


def test_scores_equal_a_plain_forward_pass(family: tuple[str, Path]) -> None:
    name, folder = family
    _, layout, score = FAMILIES[name]
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    rows = [layout(tokenizer, QUERY.text, d.text, MAX_LENGTH) for d in DOCUMENTS]
    assert [len(row) == MAX_LENGTH for row in rows] == [False] * 5 + [True]  # one is cut
    scorer = load_causal_lm(str(folder), template=name, max_length=MAX_LENGTH, precision="fp32")
    found = scorer.score(QUERY, DOCUMENTS)
    for side in ("left", "right"):
        expected = score(plain_logits(folder, rows, side=side), tokenizer)
        assert np.ptp(expected) > 0.1  # or agreement would mean nothing
        np.testing.assert_allclose(found.values, expected, atol=1e-4)
        assert np.argsort(-found.values).tolist() == np.argsort(-expected).tolist()
    alone = np.concatenate([scorer.score(QUERY, [document]).values for document in DOCUMENTS])
    np.testing.assert_allclose(alone, found.values, atol=1e-4)
    assert found.kind is ScoreKind.LOGIT
    assert "read once" in found.step.facts["prefix"]
    assert [t.doc_id for t in found.step.truncations] == ["long"]
    scorer.close()


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_is_near(family: tuple[str, Path], precision: str) -> None:
    name, folder = family
    scores = {
        p: load_causal_lm(str(folder), template=name, max_length=MAX_LENGTH, precision=p).score(QUERY, DOCUMENTS)
        for p in ("fp32", precision)
    }
    assert scores[precision].values.dtype == np.float32
    assert scores[precision].step.facts["precision"] == precision
    np.testing.assert_allclose(scores[precision].values, scores["fp32"].values, atol=0.15)
    assert not np.array_equal(scores[precision].values, scores["fp32"].values)


def test_threads_give_the_same_scores(family: tuple[str, Path]) -> None:
    name, folder = family
    scorer = load_causal_lm(str(folder), template=name, max_length=MAX_LENGTH)
    queries = [Query(f"what is {word}?") for word in ("the height", "iron", "a passage")]
    expected = [scorer.score(query, DOCUMENTS).values for query in queries]
    with ThreadPoolExecutor(6) as pool:
        for place, found in enumerate(pool.map(lambda i: scorer.score(queries[i % 3], DOCUMENTS), range(12))):
            np.testing.assert_array_equal(found.values, expected[place % 3])


def test_a_sliding_window_is_read_whole_for_every_document(tmp_path: Path) -> None:
    folder = save_qwen3(tmp_path, use_sliding_window=True, sliding_window=40, max_window_layers=1)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    found = load_causal_lm(str(folder), template="qwen3", max_length=MAX_LENGTH, precision="fp32").score(
        QUERY, DOCUMENTS
    )
    rows = [qwen3_layout(tokenizer, QUERY.text, d.text, MAX_LENGTH) for d in DOCUMENTS]
    np.testing.assert_allclose(
        found.values, qwen3_score(plain_logits(folder, rows, side="right"), tokenizer), atol=1e-4
    )
    assert "with every document" in found.step.facts["prefix"]


def test_a_wrong_template_is_refused(tmp_path: Path) -> None:
    folder = str(save_qwen3(tmp_path))
    with pytest.raises(InputError, match=r"needs a template: template='qwen3' or 'bge-gemma' or"):
        load_causal_lm(folder)
    with pytest.raises(InputError, match=r"no template 'qwen' \(there are: .*\); did you mean 'qwen3'\?"):
        load_causal_lm(folder, template="qwen")
    with pytest.raises(UnsupportedModelError, match=r"no token '<bos>'"):
        load_causal_lm(folder, template="bge-gemma")
    with pytest.raises(InputError, match="no score heads by layer"):
        load_causal_lm(folder, template="qwen3", cutoff_layer=1)
    with pytest.raises(InputError, match="runs on engine='torch'"):
        load_causal_lm(folder, template="qwen3", engine="onnxruntime")
