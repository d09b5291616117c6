"""A small bge-reranker-v2-minicpm-layerwise on disk, and a MiniCPM written from its paper and its authors' code."""

from __future__ import annotations

import importlib
import json
import math
from pathlib import Path
from typing import Any

from .language_models import sentencepiece_tokenizer

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


def save_minicpm(folder: Path, **changes: Any) -> Path:
    """Write a seeded model with a score head behind layer START and each one after it."""
    torch = importlib.import_module("torch")
    torch.manual_seed(1)
    folder.mkdir(parents=True, exist_ok=True)
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
    save_weights(folder, weights)
    (folder / "config.json").write_text(json.dumps(CONFIG | {"vocab_size": size} | changes))
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def save_weights(folder: Path, weights: dict[str, Any]) -> None:
    safetensors = importlib.import_module("safetensors.torch")
    safetensors.save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def read_weights(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = importlib.import_module("safetensors.torch").load_file(folder / "model.safetensors")
    return found


def rms(x: Any, weight: Any) -> Any:
    torch = importlib.import_module("torch")
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + CONFIG["rms_norm_eps"]) * weight


def rotated(x: Any) -> Any:
    """Rotary positions on `[heads, length, size]`, base 10,000."""
    torch = importlib.import_module("torch")
    _, length, size = x.shape
    angles = torch.outer(torch.arange(length).float(), 1 / 10000 ** (torch.arange(0, size, 2).float() / size))
    angles = torch.cat([angles, angles], -1)
    half = torch.cat([-x[..., size // 2 :], x[..., : size // 2]], -1)
    return x * angles.cos() + half * angles.sin()


def by_hand(weights: dict[str, Any], ids: list[int], cutoff: int) -> float:
    """One sequence, no batching, no cache: the score head behind layer `cutoff`."""
    torch = importlib.import_module("torch")

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
