"""Models of a few kilobytes on disk, with weights drawn from a seed: no torch is needed to make them."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

Tensors = dict[str, npt.NDArray[Any]]
_KINDS = {"float32": "F32", "float16": "F16", "float64": "F64", "int8": "I8"}

_TEXT = "how tall is the tower ? it 330 metres of wrought iron . , cats sleep most day eiffel and made"
WORDS = _TEXT.split()
SPECIAL = ["[PAD]", "[unused0]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY = [*SPECIAL, *WORDS, *(f"w{i}" for i in range(170))]
HIDDEN = 32

CONFIG: dict[str, Any] = {
    "model_type": "bert",
    "architectures": ["BertForSequenceClassification"],
    "vocab_size": len(VOCABULARY),
    "hidden_size": HIDDEN,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "hidden_act": "gelu",
    "type_vocab_size": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "layer_norm_eps": 1e-12,
    "num_labels": 1,
}


def make_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece({t: i for i, t in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [("[CLS]", VOCABULARY.index("[CLS]")), ("[SEP]", VOCABULARY.index("[SEP]"))]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
    )
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    return tokenizer


def make_tensors(*, seed: int = 3, spread: float = 0.4, **changes: int) -> Tensors:
    """The tensors of a BERT classifier of `CONFIG` with some sizes changed; `spread` is the matrices'."""
    rng, config = np.random.default_rng(seed), CONFIG | changes
    feed, size = config["intermediate_size"], config["hidden_size"]
    shapes: dict[str, tuple[int, ...]] = {
        "bert.embeddings.word_embeddings.weight": (len(VOCABULARY), size),
        "bert.embeddings.position_embeddings.weight": (config["max_position_embeddings"], size),
        "bert.embeddings.token_type_embeddings.weight": (2, size),
        "bert.embeddings.LayerNorm": (size,),
        "bert.pooler.dense": (size, size),
        "classifier": (config["num_labels"], size),
    }
    for layer in ("bert.encoder.layer.0", "bert.encoder.layer.1"):
        shapes |= {f"{layer}.attention.self.{part}": (size, size) for part in ("query", "key", "value")}
        shapes |= {f"{layer}.attention.output.dense": (size, size), f"{layer}.attention.output.LayerNorm": (size,)}
        shapes |= {f"{layer}.intermediate.dense": (feed, size), f"{layer}.output.dense": (size, feed)}
        shapes |= {f"{layer}.output.LayerNorm": (size,)}
    tensors: Tensors = {}
    for name, shape in shapes.items():
        scale = 1.0 if len(shape) == 1 else spread
        for part in [name] if name.endswith(".weight") else [f"{name}.weight", f"{name}.bias"]:
            of = shape[:1] if part.endswith(".bias") else shape
            tensors[part] = (rng.normal(size=of) * scale).astype(np.float32)
    return tensors


def write_tensors(path: Path, tensors: Tensors) -> None:
    """Write safetensors, https://github.com/huggingface/safetensors#format."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    start = 0
    for name, values in tensors.items():
        end = start + values.nbytes
        header[name] = {"dtype": _KINDS[values.dtype.name], "shape": list(values.shape), "data_offsets": [start, end]}
        start = end
    encoded = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    body = b"".join(values.tobytes() for values in tensors.values())
    path.write_bytes(struct.pack("<Q", len(encoded)) + encoded + body)


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def write_classifier(folder: Path, tensors: Tensors | None = None, **changes: Any) -> Path:
    """A BERT cross-encoder in the layout of transformers."""
    write_json(folder / "config.json", CONFIG | changes)
    write_tensors(folder / "model.safetensors", tensors or make_tensors())
    make_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def write_modules(folder: Path, tensors: Tensors | None = None, *, pooling: str = "cls", **changes: Any) -> Path:
    """The same cross-encoder as modules of sentence-transformers: its pooler and classifier are Dense layers."""
    tensors = tensors or make_tensors()
    encoder = {name: values for name, values in tensors.items() if name.startswith("bert.") and "pooler" not in name}
    write_classifier(folder, encoder, architectures=["BertModel"])
    package = "sentence_transformers.base.modules"
    names = ["1_Pooling", "2_Dense", "3_Dense"]
    types = ["sentence_transformers.sentence_transformer.modules.pooling.Pooling", *[f"{package}.dense.Dense"] * 2]
    listed = [{"idx": 0, "name": "0", "path": "", "type": f"{package}.transformer.Transformer"}]
    listed += [{"path": name, "type": type_} for name, type_ in zip(names, types, strict=True)]
    write_json(folder / "modules.json", listed)
    write_json(folder / "config_sentence_transformers.json", {"model_type": "CrossEncoder"})
    write_json(folder / "1_Pooling" / "config.json", {"pooling_mode": pooling, "embedding_dimension": HIDDEN})
    ends = [("bert.pooler.dense", "activation.Tanh"), ("classifier", "linear.Identity")]
    for place, (source, activation) in enumerate(ends, 1):
        weight, bias = tensors[f"{source}.weight"], tensors[f"{source}.bias"]
        settings = {
            "in_features": weight.shape[1],
            "out_features": weight.shape[0],
            "bias": True,
            "activation_function": f"torch.nn.modules.{activation}",
        }
        write_json(folder / names[place] / "config.json", settings | changes)
        write_tensors(folder / names[place] / "model.safetensors", {"linear.weight": weight, "linear.bias": bias})
    return folder


def write_colbert(folder: Path, **metadata: Any) -> Path:
    """A late-interaction model in the layout of ColBERT itself."""
    encoder = {k: v for k, v in make_tensors().items() if k.startswith("bert.") and "pooler" not in k}
    projection = np.random.default_rng(9).normal(size=(8, HIDDEN)).astype(np.float32)
    write_classifier(folder, {**encoder, "linear.weight": projection}, architectures=["HF_ColBERT"])
    said = {"query_maxlen": 12, "doc_maxlen": 40, "query_token_id": "[unused0]", "doc_token_id": "[unused1]"}
    write_json(folder / "artifact.metadata", said | {"mask_punctuation": True} | metadata)
    return folder
