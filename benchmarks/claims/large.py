"""A larger cross-encoder with random weights, to be timed: speed depends on the shape alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

from shortlist.errors import InputError
from shortlist.weights import find_packaged

SHAPES = {"bert-base": (12, 768), "bert-large": (24, 1024)}  # layers, width
PREFIX = "random:"

Floats = npt.NDArray[np.float32]


def named(model: str, work: Path, *, like: str, shapes: Mapping[str, tuple[int, int]] = SHAPES) -> str:
    """Return the folder of `random:SHAPE`, made if it is not there; any other model's name as it is.

    The tokenizer is that of the packaged model `like`, so that both read the same tokens.
    """
    if not model.startswith(PREFIX):
        return model
    shape = model.removeprefix(PREFIX)
    packaged = find_packaged(like)
    if shape not in shapes or packaged is None:
        raise InputError(
            f"{model!r} with the tokenizer of {like!r}: shapes are {', '.join(shapes)}, and it is packaged"
        )
    folder = work / f"random-{shape}"
    if not (folder / "model.safetensors").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        layers, width = shapes[shape]
        config = json.loads((packaged.folder / "config.json").read_text(encoding="utf-8"))
        config |= {
            "hidden_size": width,
            "num_hidden_layers": layers,
            "num_attention_heads": width // 64,
            "intermediate_size": 4 * width,
            "hidden_act": "gelu",
            "layer_norm_eps": 1e-12,
            "type_vocab_size": 2,
        }
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        shutil.copyfile(packaged.folder / "tokenizer.json", folder / "tokenizer.json")
        save_file(dict(_weights(config)), folder / "model.safetensors", metadata={"format": "pt"})
    return str(folder)


def _weights(config: Mapping[str, int]) -> Mapping[str, Floats]:
    width, inner = config["hidden_size"], config["intermediate_size"]
    rng = np.random.default_rng(0)
    found: dict[str, Floats] = {}

    def linear(name: str, outputs: int, inputs: int) -> None:
        found[f"{name}.weight"] = rng.normal(0, 0.02, (outputs, inputs)).astype(np.float32)
        found[f"{name}.bias"] = np.zeros(outputs, dtype=np.float32)

    def norm(name: str) -> None:
        found[f"{name}.weight"] = np.ones(width, dtype=np.float32)
        found[f"{name}.bias"] = np.zeros(width, dtype=np.float32)

    for name, rows in (
        ("word", config["vocab_size"]),
        ("position", config["max_position_embeddings"]),
        ("token_type", config["type_vocab_size"]),
    ):
        weights = rng.normal(0, 0.02, (rows, width)).astype(np.float32)
        found[f"bert.embeddings.{name}_embeddings.weight"] = weights
    norm("bert.embeddings.LayerNorm")
    for layer in range(config["num_hidden_layers"]):
        base = f"bert.encoder.layer.{layer}"
        for name in ("query", "key", "value"):
            linear(f"{base}.attention.self.{name}", width, width)
        linear(f"{base}.attention.output.dense", width, width)
        norm(f"{base}.attention.output.LayerNorm")
        linear(f"{base}.intermediate.dense", inner, width)
        linear(f"{base}.output.dense", width, inner)
        norm(f"{base}.output.LayerNorm")
    linear("bert.pooler.dense", width, width)
    linear("classifier", 1, width)
    return found
