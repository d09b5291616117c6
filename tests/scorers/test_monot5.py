"""monoT5 gives what a plain forward pass of transformers over the published text gives."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

torch = pytest.importorskip("torch", reason="needs the extra 'torch'")
transformers = pytest.importorskip("transformers", reason="needs the extra 'torch'")

from shortlist.errors import UnsupportedModelError
from shortlist.scorers.causal_lm import load_causal_lm
from shortlist.scorers.prompted import Prompted
from shortlist.scorers.seq2seq import load_monot5
from shortlist.types import Document, Query, ScoreKind

from .language_models import save_t5
from .layouts import monot5_layout

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

QUERY = Query("How tall is the tower?")
DOCUMENTS = [
    Document("330 metres tall", "a"),
    Document("made of wrought iron,\n and  more " * 9, "b"),
    Document("", "c"),
    Document("the passage is about a query " * 60, "d"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_t5(tmp_path_factory.mktemp("t5"))


@pytest.fixture(scope="module")
def scorer(folder: Path) -> Prompted:
    return load_monot5(str(folder), max_length=200, precision="fp32")


def rows(folder: Path, max_length: int) -> list[list[int]]:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return [monot5_layout(tokenizer, QUERY.text, document.text, max_length) for document in DOCUMENTS]


def expected_scores(folder: Path, inputs: list[list[int]]) -> Any:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    model = transformers.T5ForConditionalGeneration.from_pretrained(folder).eval()
    scores = []
    for one in inputs:
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([one]), decoder_input_ids=torch.tensor([[0]])).logits[0, 0]
        pair = logits[[tokenizer.token_to_id("▁true"), tokenizer.token_to_id("▁false")]]
        scores.append(pair.log_softmax(-1)[0].item())
    return np.asarray(scores)


def test_scores_equal_a_plain_forward_pass(folder: Path, scorer: Prompted) -> None:
    found = scorer.score(QUERY, DOCUMENTS)
    inputs = rows(folder, 200)
    expected = expected_scores(folder, inputs)
    assert np.ptp(expected) > 0.05
    np.testing.assert_allclose(found.values, expected, atol=1e-4)
    assert (found.values <= 0).all()
    assert (found.kind, found.step.facts["score"]) == (ScoreKind.UNKNOWN, "log probability")
    assert [t.doc_id for t in found.step.truncations] == ["d"]
    alone = np.concatenate([scorer.score(QUERY, [document]).values for document in DOCUMENTS])
    np.testing.assert_allclose(alone, expected, atol=1e-4)


def test_bf16_is_near(folder: Path, scorer: Prompted) -> None:
    half = load_monot5(str(folder), max_length=200, precision="bf16").score(QUERY, DOCUMENTS)
    np.testing.assert_allclose(half.values, scorer.score(QUERY, DOCUMENTS).values, atol=0.1)


def test_threads_give_the_same_scores(scorer: Prompted) -> None:
    expected = scorer.score(QUERY, DOCUMENTS).values
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: scorer.score(QUERY, DOCUMENTS), range(8)):
            np.testing.assert_array_equal(found.values, expected)


def test_another_architecture_is_refused(folder: Path) -> None:
    with pytest.raises(UnsupportedModelError, match=r"T5ForConditionalGeneration.*\*ForCausalLM is needed|no token"):
        load_causal_lm(str(folder), template="mxbai-v2")
