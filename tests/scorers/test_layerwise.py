"""bge-reranker-v2-minicpm-layerwise against a MiniCPM written here from its paper and its authors' code."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

torch = pytest.importorskip("torch", reason="needs the extra 'torch'")
pytest.importorskip("transformers", reason="needs the extra 'torch'")
safetensors = pytest.importorskip("safetensors.torch")

from shortlist.errors import CorruptModelError, InputError, UnsupportedModelError
from shortlist.scorers.causal_lm import load_causal_lm
from shortlist.types import Document, Query

from .language_models import sentencepiece_tokenizer
from .layouts import bge_layout

LAYERS, START, HIDDEN, HEADS, KV_HEADS = 4, 2, 32, 4, 2
CONFIG: dict[str, Any] = {
    "architectures": ["LayerWiseMiniCPMForCausalLM"],
    "model_type": "minicpm",
    "auto_map": {"AutoModelForCausalLM": "modeling_minicpm_reranker.LayerWiseMiniCPMForCausalLM"},
    "hidden_size": HIDDEN,
    "intermediate_size": 48,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KV_HEADS,
    "rms_norm_eps": 1e-5,
    "max_position_embeddings": 512,
    "scale_emb": 12,
    "scale_depth": 1.4,
    "start_layer": START,
    "head_multi": True,
    "head_type": "simple",
    "dim_model_base": 16,
}
QUERY = Query("How tall is the tower?")
DOCUMENTS = [
    Document("330 metres", "a"),
    Document("of iron " * 12, "b"),
    Document("", "c"),
    Document("word " * 600, "d"),
]


def save_minicpm(folder: Path, **changes: Any) -> dict[str, Any]:
    torch.manual_seed(1)
    tokenizer = sentencepiece_tokenizer(begins_with_blank=True, bos="<s>")
    size = tokenizer.get_vocab_size()
    kv, middle = HIDDEN // HEADS * KV_HEADS, int(CONFIG["intermediate_size"])
    weights = {"model.embed_tokens.weight": torch.randn(size, HIDDEN) * 0.1, "model.norm.weight": torch.rand(HIDDEN)}
    for layer in range(LAYERS):
        at = f"model.layers.{layer}"
        for name, out, into in (("q", HIDDEN, HIDDEN), ("k", kv, HIDDEN), ("v", kv, HIDDEN), ("o", HIDDEN, HIDDEN)):
            weights[f"{at}.self_attn.{name}_proj.weight"] = torch.randn(out, into) * 0.2
        for name, out, into in (("gate", middle, HIDDEN), ("up", middle, HIDDEN), ("down", HIDDEN, middle)):
            weights[f"{at}.mlp.{name}_proj.weight"] = torch.randn(out, into) * 0.2
        for name in ("input", "post_attention"):
            weights[f"{at}.{name}_layernorm.weight"] = torch.rand(HIDDEN) + 0.5
    for head in range(LAYERS - START + 1):
        weights[f"lm_head.{head}.linear_head.weight"] = torch.randn(1, HIDDEN)
    safetensors.save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(CONFIG | {"vocab_size": size} | changes))
    tokenizer.save(str(folder / "tokenizer.json"))
    return weights


def rms(x: Any, weight: Any) -> Any:
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + CONFIG["rms_norm_eps"]) * weight


def rotated(x: Any) -> Any:
    """Rotary positions on `[heads, length, size]`, base 10,000."""
    _, length, size = x.shape
    angles = torch.outer(torch.arange(length).float(), 1 / 10000 ** (torch.arange(0, size, 2).float() / size))
    angles = torch.cat([angles, angles], -1)
    half = torch.cat([-x[..., size // 2 :], x[..., : size // 2]], -1)
    return x * angles.cos() + half * angles.sin()


def by_hand(weights: dict[str, Any], ids: list[int], cutoff: int) -> float:
    """One sequence, no batching, no cache: the score head behind layer `cutoff`."""

    def heads(x: Any, count: int) -> Any:  # [length, count * size] -> [count, length, size]
        return x.view(len(ids), count, HIDDEN // HEADS).transpose(0, 1)

    x = weights["model.embed_tokens.weight"][ids] * CONFIG["scale_emb"]
    scale = CONFIG["scale_depth"] / math.sqrt(LAYERS)
    for layer in range(cutoff):
        w = {k.removeprefix(f"model.layers.{layer}."): v for k, v in weights.items()}
        normed = rms(x, w["input_layernorm.weight"])
        q = rotated(heads(normed @ w["self_attn.q_proj.weight"].T, HEADS))
        k = rotated(heads(normed @ w["self_attn.k_proj.weight"].T, KV_HEADS)).repeat_interleave(HEADS // KV_HEADS, 0)
        v = heads(normed @ w["self_attn.v_proj.weight"].T, KV_HEADS).repeat_interleave(HEADS // KV_HEADS, 0)
        attention = q @ k.transpose(-1, -2) / math.sqrt(HIDDEN // HEADS)
        attention += torch.full((len(ids), len(ids)), -math.inf).triu(1)
        mixed = (attention.softmax(-1) @ v).transpose(0, 1).reshape(len(ids), HIDDEN)
        x = x + scale * (mixed @ w["self_attn.o_proj.weight"].T)
        normed = rms(x, w["post_attention_layernorm.weight"])
        gate = torch.nn.functional.silu(normed @ w["mlp.gate_proj.weight"].T)
        x = x + scale * ((gate * (normed @ w["mlp.up_proj.weight"].T)) @ w["mlp.down_proj.weight"].T)
    final = rms(x, weights["model.norm.weight"])[-1]
    return float(final @ weights[f"lm_head.{cutoff - START}.linear_head.weight"][0])


@pytest.mark.parametrize("cutoff", [2, 3, 4])
def test_every_layers_head_equals_the_model_by_hand(tmp_path: Path, cutoff: int) -> None:
    weights = save_minicpm(tmp_path)
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
    weights = save_minicpm(tmp_path)
    expected = load_causal_lm(str(tmp_path), template="bge-layerwise", cutoff_layer=2).score(QUERY, DOCUMENTS).values
    shorter = {k: v for k, v in weights.items() if "layers.2" not in k and "layers.3" not in k}
    safetensors.save_file(shorter, tmp_path / "model.safetensors", metadata={"format": "pt"})
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
