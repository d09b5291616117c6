"""MiniCPM with a score head a layer (bge-reranker-v2-minicpm-layerwise), run as Granite.

transformers has no MiniCPM. Granite computes the same (Hu et al. 2024, https://arxiv.org/abs/2404.06395,
section 4.1: embeddings times `scale_emb`, each branch times `scale_depth / sqrt(layers)`), and names its
weights alike. The heads are `lm_head.N.linear_head.weight` `[1, hidden]`, N counting from `start_layer`; each
reads the final norm of its layer's output, so what lies behind the chosen layer is not even loaded.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import transformers

from shortlist.errors import InputError, UnsupportedModelError
from shortlist.inference.export.checkpoint import Checkpoint
from shortlist.inference.export.config import Config
from shortlist.inference.models import ModelFolder
from shortlist.inference.session import Precision
from shortlist.inference.torch_answers import AnswerRows
from shortlist.inference.torch_causal import CausalSession
from shortlist.inference.torch_checkpoint import load_pretrained
from shortlist.inference.torch_device import Placement

ARCHITECTURE = "LayerWiseMiniCPMForCausalLM"


def load_layerwise(
    folder: ModelFolder, *, cutoff_layer: int, precision: Precision = Precision.AUTO, device: str = "auto"
) -> CausalSession:
    """Load the first `cutoff_layer` layers and the head of that layer, whose logit is the only column.

    Raises InputError for a layer without a head, UnsupportedModelError for another architecture or other
    heads, CorruptModelError for damaged or absent weights.
    """
    config = Config(folder.path, folder.config)
    _check(folder, config, cutoff_layer)
    placement = Placement.choose(device, precision)
    granite = _as_granite(config, cutoff_layer)
    with torch.device("meta"):  # only the two parts below are given weights
        model = transformers.GraniteForCausalLM(granite)
    model.model = load_pretrained(
        folder, suffix="ForCausalLM", placement=placement, config=granite, model_class=transformers.GraniteModel
    )
    name = f"lm_head.{cutoff_layer - config.integer('start_layer')}.linear_head.weight"
    row = Checkpoint.open(folder.path).read(name, prefix="", shape=(1, config.integer("hidden_size")))
    model.lm_head = AnswerRows(torch.from_numpy(row)).to(placement.device)
    return CausalSession(model.eval(), placement=placement)


def _check(folder: ModelFolder, config: Config, cutoff_layer: int) -> None:
    named, head = config.strings("architectures"), config.text("head_type", "")
    if ARCHITECTURE not in named or head != "simple" or not config.flag("head_multi", False):
        raise UnsupportedModelError(
            f"{folder.name}: architectures={list(named)}, head_type={head!r}; needed is {ARCHITECTURE} with one"
            " 'simple' head a layer"
        )
    if config.values.get("rope_scaling"):
        raise UnsupportedModelError(f"{folder.name}: rope_scaling={config.values['rope_scaling']!r} is not supported")
    first, last = config.integer("start_layer"), config.integer("num_hidden_layers")
    if not first <= cutoff_layer <= last:
        raise InputError(f"cutoff_layer must be in {first}..{last} for {folder.name}; got {cutoff_layer}")


def _as_granite(config: Config, layers: int) -> Any:
    size, heads = config.integer("hidden_size"), config.integer("num_attention_heads")
    return transformers.GraniteConfig(
        vocab_size=config.integer("vocab_size"),
        hidden_size=size,
        intermediate_size=config.integer("intermediate_size"),
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=config.integer("num_key_value_heads", heads),
        hidden_act=config.text("hidden_act", "silu"),
        max_position_embeddings=config.integer("max_position_embeddings", 2048),
        rms_norm_eps=config.number("rms_norm_eps", 1e-6),
        rope_parameters={"rope_type": "default", "rope_theta": config.number("rope_theta", 10000.0)},
        attention_bias=config.flag("attention_bias", False),
        embedding_multiplier=config.number("scale_emb", 1.0),
        residual_multiplier=config.number("scale_depth", 1.0) / math.sqrt(config.integer("num_hidden_layers")),
        attention_multiplier=1 / math.sqrt(size // heads),
    )
