"""Small language models with real tokenizers, made here: the shapes and special tokens of the published families."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

CORPUS = [
    "How tall is the Eiffel Tower? The tower is 330 metres (1,083 ft) tall, and made of wrought iron.",
    "Given a web search query, retrieve relevant passages that answer the query, with a true or false answer.",
    "Query: what is the height Document: a passage about the tower Relevant: true false",
    "A: the query B: the passage contains an answer. Predict 'Yes' or 'No'. document: instruction: query:",
    "yes\nno\nYes\nNo\n0\n1\n",
] * 20

# Qwen2's rule for what BPE may not merge across.
_QWEN_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,  # the usual 0.02 would leave logits too near zero to show an error
}


def qwen_tokenizer() -> Tokenizer:
    """Byte-level BPE with the chat tokens; `<think>` is an added token that is not special, as in Qwen3."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(_QWEN_WORDS), "isolated")
    bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, bytes_only])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=420, initial_alphabet=alphabet))
    tokenizer.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tokenizer.add_tokens([AddedToken(t, normalized=False, special=False) for t in ("<think>", "</think>")])
    return tokenizer


def sentencepiece_tokenizer(*, begins_with_blank: bool, bos: str) -> Tokenizer:
    """BPE over `▁` with byte fallback: Gemma's, or with a blank before every text, Llama's and MiniCPM's."""
    bytes_ = [f"<0x{i:02X}>" for i in range(256)]
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    steps: list[Any] = [normalizers.Replace(" ", "▁")]
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), *steps] if begins_with_blank else steps)
    specials = ["<pad>", "<eos>", bos, "<unk>"]
    # trained on words, so that no token crosses a blank
    words = [f"▁{word}" for text in CORPUS for word in text.split()]
    words += [word for text in CORPUS for word in text.split()]
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=specials + bytes_)
    tokenizer.train_from_iterator(words, trainer)
    kept = json.loads(tokenizer.to_str())
    kept["added_tokens"] = [token for token in kept["added_tokens"] if token["content"] in specials]
    tokenizer = Tokenizer.from_str(json.dumps(kept))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, tokenizer.token_to_id(bos))]
    )
    return tokenizer


def t5_tokenizer() -> Tokenizer:
    """Unigram, word by word, with `</s>` at the end."""
    words = dict.fromkeys(f"▁{word}" for text in CORPUS for word in text.split())
    letters = dict.fromkeys(letter for text in CORPUS for letter in f"▁{text}" if not letter.isspace())
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((w, -5.0) for w in words)]
    tokenizer = Tokenizer(models.Unigram([*pieces, *((x, -9.0) for x in letters if x not in words)], unk_id=2))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return tokenizer


def save_causal(folder: Path, tokenizer: Tokenizer, family: str, **options: Any) -> Path:
    """Write a seeded `<family>ForCausalLM` with its tokenizer."""
    torch, transformers = importlib.import_module("torch"), importlib.import_module("transformers")
    torch.manual_seed(3)
    values = SIZES | {"vocab_size": tokenizer.get_vocab_size(), "bos_token_id": None, "eos_token_id": None} | options
    config = getattr(transformers, f"{family}Config")(**values)
    getattr(transformers, f"{family}ForCausalLM")(config).eval().save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def save_qwen3(folder: Path, **options: Any) -> Path:
    """Write a model of Qwen3's shape: tied embeddings, no padding token in its configuration."""
    return save_causal(
        folder, qwen_tokenizer(), "Qwen3", **{"tie_word_embeddings": True, "pad_token_id": None} | options
    )


def save_qwen2(folder: Path) -> Path:
    """Write a model of Qwen2's shape, its embeddings not tied."""
    return save_causal(folder, qwen_tokenizer(), "Qwen2", tie_word_embeddings=False)


def save_gemma(folder: Path) -> Path:
    """Write a model of Gemma's shape."""
    tokenizer = sentencepiece_tokenizer(begins_with_blank=False, bos="<bos>")
    return save_causal(folder, tokenizer, "Gemma", pad_token_id=0, max_position_embeddings=1024)


def save_t5(folder: Path) -> Path:
    """Write a T5 of the first version's shape: tied embeddings, decoder outputs scaled."""
    torch, transformers = importlib.import_module("torch"), importlib.import_module("transformers")
    torch.manual_seed(3)
    tokenizer = t5_tokenizer()
    config = transformers.T5Config(
        vocab_size=tokenizer.get_vocab_size(),
        d_model=32,
        d_kv=8,
        d_ff=48,
        num_layers=2,
        num_heads=4,
        n_positions=512,
        initializer_factor=1.0,
        decoder_start_token_id=0,
        pad_token_id=0,
        eos_token_id=1,
    )
    transformers.T5ForConditionalGeneration(config).eval().save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder
