"""bge-reranker-v2-minicpm-layerwise against a MiniCPM written by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

pytest.importorskip("torch", reason="needs the extra 'torch'")
pytest.importorskip("transformers", reason="needs the extra 'torch'")

from shortlist.errors import CorruptModelError, InputError, UnsupportedModelError
from shortlist.scorers.causal_lm import load_causal_lm
from shortlist.types import Document, Query

from .language_models import sentencepiece_tokenizer
from .layouts import bge_layout
from .minicpm import by_hand, read_weights, save_minicpm, save_weights

QUERY = Query("How tall is the tower?")
DOCUMENTS = [
    Document("330 metres", "a"),
    Document("of iron " * 12, "b"),
    Document("", "c"),
    Document("word " * 600, "d"),
]


@pytest.mark.parametrize("cutoff", [2, 3, 4])
def test_every_layers_head_equals_the_model_by_hand(tmp_path: Path, cutoff: int) -> None:
    weights = read_weights(save_minicpm(tmp_path))
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    scorer = load_causal_lm(
        str(tmp_path), template="bge-layerwise", cutoff_layer=cutoff, max_length=300, precision="fp32"
    )
    found = scorer.score(QUERY, DOCUMENTS)
    expected = [by_hand(weights, bge_layout(tokenizer, QUERY.text, d.text, 300), cutoff) for d in DOCUMENTS]
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(found.values, expected, atol=2e-4)
    assert [t.doc_id for t in found.step.truncations] == ["d"]


def test_layers_behind_the_cutoff_are_not_loaded(tmp_path: Path) -> None:
    weights = read_weights(save_minicpm(tmp_path))
    expected = load_causal_lm(str(tmp_path), template="bge-layerwise", cutoff_layer=2).score(QUERY, DOCUMENTS).values
    shorter = {k: v for k, v in weights.items() if "layers.2" not in k and "layers.3" not in k}
    save_weights(tmp_path, shorter)
    again = load_causal_lm(str(tmp_path), template="bge-layerwise", cutoff_layer=2).score(QUERY, DOCUMENTS).values
    np.testing.assert_array_equal(again, expected)
    with pytest.raises(CorruptModelError, match=r"weights are absent .*layers.2"):
        load_causal_lm(str(tmp_path), template="bge-layerwise", cutoff_layer=3)


def test_layers_without_a_head_and_other_heads_are_refused(tmp_path: Path) -> None:
    save_minicpm(tmp_path)
    with pytest.raises(InputError, match=r"cutoff_layer must be in 2..4 .*; got 28"):
        load_causal_lm(str(tmp_path), template="bge-layerwise")
    with pytest.raises(InputError, match=r"cutoff_layer must be in 2..4 .*; got 0"):
        load_causal_lm(str(tmp_path), template="bge-layerwise", cutoff_layer=0)
    save_minicpm(tmp_path, head_type="raw")
    with pytest.raises(UnsupportedModelError, match="head_type='raw'"):
        load_causal_lm(str(tmp_path), template="bge-layerwise", cutoff_layer=2)
    save_minicpm(tmp_path, architectures=["CostWiseGemmaForCausalLM"])
    with pytest.raises(UnsupportedModelError, match="CostWiseGemmaForCausalLM"):
        load_causal_lm(str(tmp_path), template="bge-layerwise", cutoff_layer=2)
    tokenizer = sentencepiece_tokenizer(begins_with_blank=False, bos="<bos>")
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(UnsupportedModelError, match=r"code of CostWiseGemmaForCausalLM comes with the model"):
        load_causal_lm(str(tmp_path), template="bge-gemma")
