"""One small model a family, on disk as its authors lay it out, beside a forward pass that is not ours.

Weights are seeded, architectures and tokenizer layouts are the real ones. Every tokenizer declares left padding and
truncation of its own, which an engine must not listen to.
"""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from scorers.language_models import CORPUS, qwen_tokenizer, save_gemma, save_qwen2, save_qwen3, save_t5
from scorers.layouts import Layout, bge_layout, monot5_layout, mxbai_layout, qwen3_layout
from scorers.minicpm import by_hand, read_weights, save_minicpm
from shortlist.inference.models import find_model
from shortlist.settings import DEFAULT_ENCODER

from .tiny import write_json

Scores = npt.NDArray[np.float64]

QUERY = "How tall is the Eiffel Tower?"
TEXTS = [
    "The tower is 330 metres (1,083 ft) tall.",
    "It is made of wrought iron.",
    "",
    "Cats sleep most of the day, and dream of the tower. " * 3,
    "東京タワー and é, 🗼🏽‍♀️ ",
    "ارتفاع البرج ثلاثمئة متر",
    "nul \x00 inside, a tab\t and a line\r\nbreak",
    "tall " * 40,
    "The passage about the tower contains an answer to the query. " * 60,  # does not fit
    "330 metres",
]
LONGEST, LENGTH = 8, 96  # the text that is cut, and the tokens that models of 96 read
PROMPTED_LENGTH = 300
CUTOFF = 3  # of MiniCPM's 4 layers
SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": LENGTH,
    "num_labels": 1,
    "initializer_range": 0.2,  # the usual 0.02 would leave logits too near zero to show an error
}


def torch() -> Any:
    return importlib.import_module("torch")


def transformers() -> Any:
    return importlib.import_module("transformers")


@dataclass(frozen=True, slots=True)
class Family:
    """How a family is made and how it is scored without us, `[texts]`, once for each side that may be padded.

    `stands_for` are the published models that have this architecture and layout.
    """

    stands_for: str
    make: Callable[[Path], Path]
    by_itself: Callable[[Path], Mapping[str, Scores]]
    engines: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


# ---- tokenizers


def framed(tokenizer: Tokenizer, start: str, between: str, end: str, *, second: int) -> Tokenizer:
    """Put `start a between b end` around a pair; `second` is the token type of the second text."""
    special = [(token, tokenizer.token_to_id(token)) for token in dict.fromkeys([start, *between.split(), end])]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", pair=f"{start} $A {between} $B:{second} {end}:{second}", special_tokens=special
    )
    return tokenizer


def bert_tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(find_model(DEFAULT_ENCODER).path / "tokenizer.json"))  # the original's 30,522 words


def unigram_tokenizer(special: Sequence[str], unknown: str) -> Tokenizer:
    words = dict.fromkeys(f"▁{word}" for text in CORPUS for word in text.split())
    letters = dict.fromkeys(letter for text in [*CORPUS, *TEXTS] for letter in f"▁{text}" if letter > " ")
    pieces = [*((token, 0.0) for token in special), *((w, -5.0) for w in words)]
    pieces += [(letter, -9.0) for letter in letters if letter not in words]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=list(special).index(unknown)))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.add_special_tokens(list(special))
    return tokenizer


def xlmr_tokenizer() -> Tokenizer:
    made = unigram_tokenizer(["<s>", "<pad>", "</s>", "<unk>"], "<unk>")
    return framed(made, "<s>", "</s> </s>", "</s>", second=0)


def deberta_tokenizer() -> Tokenizer:
    made = unigram_tokenizer(["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"], "[UNK]")
    return framed(made, "[CLS]", "[SEP]", "[SEP]", second=1)


def roberta_tokenizer() -> Tokenizer:
    made = qwen_tokenizer()
    made.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>"])
    return framed(made, "<s>", "</s> </s>", "</s>", second=0)


def modernbert_tokenizer() -> Tokenizer:
    made = qwen_tokenizer()
    made.add_special_tokens(["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"])
    return framed(made, "[CLS]", "[SEP]", "[SEP]", second=1)


def save_tokenizer(folder: Path, tokenizer: Tokenizer, **special: str) -> None:
    """Write it as transformers does, with left padding and a short truncation that nobody asked for."""
    pad = special["pad_token"]
    tokenizer.enable_padding(direction="left", pad_id=tokenizer.token_to_id(pad), pad_token=pad)
    tokenizer.enable_truncation(40, direction="left")
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "padding_side": "left", "truncation_side": "left"}
    write_json(folder / "tokenizer_config.json", {**settings, **special})


# ---- classifiers


def shaken(model: Any) -> Any:
    """Move biases and norms, which start at 0 and 1, where a mix-up would not show."""
    with torch().no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch().randn(parameter.shape) * 0.1)
    return model.eval()


def classifier(stem: str, make_tokenizer: Callable[[], Tokenizer], pad: str, **changes: Any) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        torch().manual_seed(7)
        tokenizer = make_tokenizer()
        special = {name: tokenizer.token_to_id(pad) for name in ("pad_token_id",)}
        if stem == "ModernBert":
            special |= {"cls_token_id": tokenizer.token_to_id("[CLS]"), "sep_token_id": tokenizer.token_to_id("[SEP]")}
            special |= {"bos_token_id": special["cls_token_id"], "eos_token_id": special["sep_token_id"]}
        config = getattr(transformers(), f"{stem}Config")(
            **SIZES | {"vocab_size": tokenizer.get_vocab_size()} | special | changes
        )
        shaken(getattr(transformers(), f"{stem}ForSequenceClassification")(config)).save_pretrained(folder)
        save_tokenizer(folder, tokenizer, pad_token=pad)
        return folder

    return make


def one_score(row: Any) -> float:
    return float(row[0] if len(row) == 1 else row[1] - row[0])


def tokenized(folder: Path, side: str) -> Any:
    """The tokenizer of transformers on every pair, the document cut on the right, a special token's text as text."""
    tokenizer = transformers().PreTrainedTokenizerFast.from_pretrained(
        folder, padding_side=side, truncation_side="right"
    )
    tokenizer.backend_tokenizer.encode_special_tokens = True
    return tokenizer(
        [QUERY] * len(TEXTS),
        TEXTS,
        truncation="only_second",
        max_length=LENGTH,
        padding=True,
        return_tensors="pt",
        return_token_type_ids=True,
        return_attention_mask=True,
    )


def classifier_by_itself(folder: Path) -> Mapping[str, Scores]:
    """Right-padded in one batch, and each pair alone; [CLS] stands first, so left padding would be another model."""
    model = transformers().AutoModelForSequenceClassification.from_pretrained(folder).eval()
    feeds = dict(tokenized(folder, "right"))
    if not (getattr(model.config, "type_vocab_size", 0) or 0) > 1:
        del feeds["token_type_ids"]
    lengths = feeds["attention_mask"].sum(1).tolist()
    with torch().no_grad():
        together = model(**feeds).logits
        alone = [model(**{k: v[i : i + 1, :n] for k, v in feeds.items()}).logits[0] for i, n in enumerate(lengths)]
    return {"right": np.array([one_score(r) for r in together]), "none": np.array([one_score(r) for r in alone])}


def decoder_by_itself(folder: Path) -> Mapping[str, Scores]:
    """A decoder with a score head, which finds its last position by the padding token."""
    model = transformers().AutoModelForSequenceClassification.from_pretrained(folder).eval()
    found = {}
    for side in ("left", "right"):
        feeds = {k: v for k, v in tokenized(folder, side).items() if k != "token_type_ids"}
        with torch().no_grad():
            found[side] = np.array([one_score(row) for row in model(**feeds).logits])
    return found


def ettin(folder: Path) -> Path:
    """ModernBERT, pooling, Dense with GELU, LayerNorm, Dense to one: modules of sentence-transformers."""
    base = folder / "base"
    classifier("ModernBert", modernbert_tokenizer, "[PAD]", local_attention=16)(base)
    encoder = transformers().ModernBertModel.from_pretrained(base)
    encoder.save_pretrained(base)
    st = importlib.import_module("sentence_transformers.sentence_transformer.modules")
    nn = torch().nn
    torch().manual_seed(8)
    size = SIZES["hidden_size"]
    chain = [
        st.Transformer(str(base), max_seq_length=LENGTH),
        st.Pooling(size, pooling_mode="mean"),
        st.Dense(size, size, activation_function=nn.GELU()),
        st.LayerNorm(size),
        st.Dense(size, 1, activation_function=nn.Identity(), module_output_name="scores"),
    ]
    cross_encoder = importlib.import_module("sentence_transformers").CrossEncoder
    cross_encoder(modules=chain, device="cpu").save_pretrained(str(folder))
    shutil.rmtree(base)
    save_tokenizer(folder, modernbert_tokenizer(), pad_token="[PAD]")
    return folder


def ettin_by_itself(folder: Path) -> Mapping[str, Scores]:
    """sentence-transformers' own CrossEncoder, without an activation."""
    made = importlib.import_module("sentence_transformers").CrossEncoder(
        str(folder), device="cpu", activation_fn=torch().nn.Identity(), max_length=LENGTH
    )
    made.tokenizer.padding_side = made.tokenizer.truncation_side = "right"
    made.tokenizer.backend_tokenizer.encode_special_tokens = True
    pairs = [(QUERY, text) for text in TEXTS]
    return {
        "right": np.asarray(made.predict(pairs, batch_size=32), float),
        "none": np.asarray(made.predict(pairs, batch_size=1), float),
    }


# ---- jina-reranker-v2: its own code, so its ready-made ONNX file


def jina_v2(folder: Path) -> Path:
    from shortlist.inference.export import export_onnx

    plain = folder / "plain"
    classifier("XLMRoberta", xlmr_tokenizer, "<pad>", type_vocab_size=1, max_position_embeddings=LENGTH + 2)(plain)
    export_onnx(plain, folder / "onnx", head="classification", weights="float32")
    for file in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(plain / file, folder / file)
    config = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", config | {"auto_map": {"AutoModelForSequenceClassification": "own.Model"}})
    return folder


def jina_by_itself(folder: Path) -> Mapping[str, Scores]:
    """Its published `rerank`: the query in half of the length, overlapping chunks, the best chunk's score."""
    model = transformers().AutoModelForSequenceClassification.from_pretrained(folder / "plain").eval()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    end = tokenizer.token_to_id("</s>")
    asked = tokenizer.encode(QUERY).ids[: LENGTH // 2]
    room, found = LENGTH - len(asked) - 2, []
    for text in TEXTS:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        step = room - min(80, room // 4)
        starts = [0] if len(ids) <= room else [*range(0, len(ids) - room, step), len(ids) - room]
        with torch().no_grad():
            rows = [torch().tensor([[*asked, end, *ids[at : at + room], end]]) for at in starts]
            found.append(max(float(model(input_ids=row).logits[0, 0]) for row in rows))
    return {"none": np.array(found)}


# ---- language models


def prompted_by_itself(
    layout: Layout, read: Callable[[Any, Tokenizer], Any], loader: str = "AutoModelForCausalLM"
) -> Callable[[Path], Mapping[str, Scores]]:
    """The whole output matrix at the last position, of all rows at once, padded on either side."""

    def by_itself(folder: Path) -> Mapping[str, Scores]:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        model = getattr(transformers(), loader).from_pretrained(folder).eval()
        rows = [layout(tokenizer, QUERY, text, PROMPTED_LENGTH) for text in TEXTS]
        longest = max(map(len, rows))
        assert longest == len(rows[LONGEST]) == PROMPTED_LENGTH
        found: dict[str, Scores] = {}
        for side in ("left", "right"):
            ids = torch().zeros((len(rows), longest), dtype=torch().long)
            mask = torch().zeros_like(ids)
            for row, one in enumerate(rows):
                where = slice(longest - len(one), None) if side == "left" else slice(0, len(one))
                ids[row, where], mask[row, where] = torch().tensor(one), 1
            last = torch().full((len(rows),), longest - 1) if side == "left" else mask.sum(1) - 1
            feeds = {"input_ids": ids, "attention_mask": mask}
            if loader == "AutoModelForSeq2SeqLM":
                feeds["decoder_input_ids"], last = torch().zeros((len(rows), 1), dtype=torch().long), last * 0
            with torch().no_grad():
                logits = model(**feeds).logits
            found[side] = np.asarray(read(logits[torch().arange(len(rows)), last], tokenizer), float)
        if loader == "AutoModelForSeq2SeqLM":
            del found["left"]  # its authors pad on the right
        return found

    return by_itself


def difference(yes: str, no: str) -> Callable[[Any, Tokenizer], Any]:
    return lambda logits, tokenizer: logits[:, tokenizer.token_to_id(yes)] - logits[:, tokenizer.token_to_id(no)]


def log_true(logits: Any, tokenizer: Tokenizer) -> Any:
    pair = logits[:, [tokenizer.token_to_id("▁true"), tokenizer.token_to_id("▁false")]]
    return pair.log_softmax(-1)[:, 0]


def minicpm_by_itself(folder: Path) -> Mapping[str, Scores]:
    """A MiniCPM written from its paper, one pair at a time, and the score head of a layer before the last."""
    tokenizer, weights = Tokenizer.from_file(str(folder / "tokenizer.json")), read_weights(folder)
    rows = [bge_layout(tokenizer, QUERY, text, PROMPTED_LENGTH) for text in TEXTS]
    return {"none": np.array([by_hand(weights, row, CUTOFF) for row in rows])}


# ---- late interaction


def colbert(folder: Path) -> Path:
    torch().manual_seed(9)
    tokenizer = bert_tokenizer()
    config = transformers().BertConfig(**SIZES | {"vocab_size": tokenizer.get_vocab_size()})
    model = shaken(transformers().BertModel(config, add_pooling_layer=False))
    tensors = {f"bert.{name}": value.contiguous() for name, value in model.state_dict().items()}
    tensors["linear.weight"] = torch().randn(16, SIZES["hidden_size"])
    folder.mkdir(parents=True, exist_ok=True)
    importlib.import_module("safetensors.torch").save_file(tensors, folder / "model.safetensors")
    write_json(folder / "config.json", config.to_dict() | {"architectures": ["HF_ColBERT"]})
    said = {"query_maxlen": 20, "doc_maxlen": 60, "query_token_id": "[unused0]", "doc_token_id": "[unused1]"}
    write_json(folder / "artifact.metadata", said | {"mask_punctuation": True, "attend_to_mask_tokens": False})
    save_tokenizer(folder, tokenizer, pad_token="[PAD]")
    return folder


def colbert_by_itself(folder: Path) -> Mapping[str, Scores]:
    """ColBERT's published steps: marker behind [CLS], [MASK] up to the query's length, punctuation left out, MaxSim."""
    tensors = importlib.import_module("safetensors.torch").load_file(folder / "model.safetensors")
    config = transformers().BertConfig(**{**json.loads((folder / "config.json").read_text()), "architectures": None})
    model = transformers().BertModel(config, add_pooling_layer=False).eval()
    model.load_state_dict({k.removeprefix("bert."): v for k, v in tensors.items() if k.startswith("bert.")})
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    cls, sep, mask = (int(tokenizer.token_to_id(f"[{name}]") or 0) for name in ("CLS", "SEP", "MASK"))

    def vectors(ids: list[int], seen: int) -> Any:
        attention = torch().tensor([[1] * seen + [0] * (len(ids) - seen)])
        with torch().no_grad():
            hidden = model(input_ids=torch().tensor([ids]), attention_mask=attention).last_hidden_state[0]
        return torch().nn.functional.normalize(hidden @ tensors["linear.weight"].T, dim=-1)

    def ids_of(text: str, marker: str, length: int) -> list[int]:
        text_ids = tokenizer.encode(text, add_special_tokens=False).ids[: length - 3]
        return [cls, int(tokenizer.token_to_id(marker) or 0), *text_ids, sep]

    asked = ids_of(QUERY, "[unused0]", 20)
    query = vectors([*asked, *[mask] * (20 - len(asked))], len(asked))
    punctuation = {tokenizer.token_to_id(sign) for sign in "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"}
    found = []
    for text in TEXTS:
        ids = ids_of(text, "[unused1]", 60)
        kept = [place for place, one in enumerate(ids) if one not in punctuation]
        found.append(float((query @ vectors(ids, len(ids))[kept].T).max(1).values.sum()))
    return {"none": np.array(found)}


def modern_colbert_tokenizer() -> Tokenizer:
    made = modernbert_tokenizer()
    made.add_special_tokens(["[Q] ", "[D] "])
    return made


def modern_colbert(folder: Path) -> Path:
    """ModernBERT and a Dense module without bias, as PyLate saves them."""
    base, size = folder / "base", SIZES["hidden_size"]
    classifier("ModernBert", modern_colbert_tokenizer, "[PAD]", local_attention=40)(base)  # a query sees itself whole
    transformers().ModernBertModel.from_pretrained(base).save_pretrained(folder)
    shutil.rmtree(base)
    dense = {"in_features": size, "out_features": 16, "bias": False}
    write_json(folder / "1_Dense" / "config.json", dense | {"activation_function": "torch.nn.modules.linear.Identity"})
    tensors = {"linear.weight": torch().randn(16, size)}
    importlib.import_module("safetensors.torch").save_file(tensors, folder / "1_Dense" / "model.safetensors")
    types = {"": "sentence_transformers.models.Transformer", "1_Dense": "pylate.models.Dense.Dense"}
    write_json(
        folder / "modules.json",
        [{"idx": i, "name": str(i), "path": p, "type": t} for i, (p, t) in enumerate(types.items())],
    )
    said = {"query_prefix": "[Q] ", "document_prefix": "[D] ", "query_length": 20, "document_length": 60}
    signs = list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
    write_json(
        folder / "config_sentence_transformers.json",
        {
            "model_type": "ColBERT",
            "skiplist_words": signs,
            "do_query_expansion": True,
            "attend_to_expansion_tokens": False,
            **said,
        },
    )
    save_tokenizer(
        folder,
        modern_colbert_tokenizer(),
        pad_token="[PAD]",
        mask_token="[MASK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        unk_token="[UNK]",
    )
    return folder


def modern_colbert_by_itself(folder: Path) -> Mapping[str, Scores]:
    """sentence-transformers' own MultiVectorEncoder, and MaxSim in numpy."""
    made = importlib.import_module("sentence_transformers").MultiVectorEncoder(str(folder), device="cpu")
    made.tokenizer.padding_side = made.tokenizer.truncation_side = "right"
    query = np.asarray(made.encode_query([QUERY], convert_to_numpy=True)[0], float)
    found = {}
    for name, size in (("right", 32), ("none", 1)):
        documents = made.encode_document(TEXTS, convert_to_numpy=True, batch_size=size)
        found[name] = np.array([(query @ np.asarray(one, float).T).max(1).sum() for one in documents])
    return found


GRAPHS = ("onnxruntime", "openvino")
ALL = (*GRAPHS, "torch")
DEBERTA = {
    "relative_attention": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_buckets": 16,
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
    "position_biased_input": False,
    "type_vocab_size": 0,
    "hidden_act": "gelu",
}
TINYBERT = {"num_hidden_layers": 2, "hidden_size": 128, "num_attention_heads": 2, "intermediate_size": 512}

FAMILIES: dict[str, Family] = {
    "BERT, 2 layers of 128": Family(
        "ms-marco-TinyBERT-L2-v2",
        classifier("Bert", bert_tokenizer, "[PAD]", **TINYBERT),
        classifier_by_itself,
        ALL,
    ),
    "BERT, 2 layers": Family(
        "ms-marco-MiniLM-L2-v2",
        classifier("Bert", bert_tokenizer, "[PAD]", num_hidden_layers=2),
        classifier_by_itself,
        ALL,
    ),
    "BERT, 12 layers": Family(
        "ms-marco-MiniLM-L4-v2 to L12-v2",
        classifier("Bert", bert_tokenizer, "[PAD]", num_hidden_layers=12, initializer_range=0.1),
        classifier_by_itself,
        ALL,
    ),
    "BERT, 2 labels": Family(
        "classifiers that say no and yes",
        classifier("Bert", bert_tokenizer, "[PAD]", num_labels=2),
        classifier_by_itself,
        ALL,
    ),
    "BERT, 1 token type": Family(
        "models that tell the texts apart by [SEP] alone",
        classifier("Bert", bert_tokenizer, "[PAD]", type_vocab_size=1),
        classifier_by_itself,
        ALL,
    ),
    "ELECTRA": Family(
        "monoELECTRA, ms-marco-electra-base",
        classifier("Electra", bert_tokenizer, "[PAD]", embedding_size=24),
        classifier_by_itself,
        ALL,
    ),
    "RoBERTa": Family(
        "stsb- and nli-roberta cross-encoders",
        classifier("Roberta", roberta_tokenizer, "<pad>", type_vocab_size=1, max_position_embeddings=600),
        classifier_by_itself,
        ALL,
        {"max_length": LENGTH},  # positions start behind the padding id, which is a high one here
    ),
    "XLM-R": Family(
        "bge-reranker-base, -large, -v2-m3",
        classifier("XLMRoberta", xlmr_tokenizer, "<pad>", type_vocab_size=1, max_position_embeddings=LENGTH + 2),
        classifier_by_itself,
        ALL,
    ),
    "DeBERTa-v2": Family(
        "mxbai-rerank-xsmall-v1, -base-v1, -large-v1",
        classifier("DebertaV2", deberta_tokenizer, "[PAD]", **DEBERTA),
        classifier_by_itself,
        ALL,
    ),
    "ModernBERT": Family(
        "gte-reranker-modernbert-base",
        classifier("ModernBert", modernbert_tokenizer, "[PAD]", local_attention=16, classifier_pooling="cls"),
        classifier_by_itself,
        ALL,
    ),
    "ModernBERT modules": Family("ettin-reranker-17m-v1 to -1b-v1", ettin, ettin_by_itself, GRAPHS),
    "XLM-R, own code, ONNX": Family(
        "jina-reranker-v2-base-multilingual",
        jina_v2,
        jina_by_itself,
        GRAPHS,
        {"kind": "cross-encoder", "long_documents": "passages-80"},
    ),
    "Qwen3 classifier": Family(
        "Qwen3-Reranker turned into a classifier",
        classifier("Qwen3", qwen_tokenizer, "<|endoftext|>", num_key_value_heads=2, head_dim=8),
        decoder_by_itself,
        ("torch",),
    ),
    "Qwen3, yes or no": Family(
        "Qwen3-Reranker-0.6B, -4B, -8B",
        save_qwen3,
        prompted_by_itself(qwen3_layout, difference("yes", "no")),
        ("torch",),
        {"template": "qwen3", "max_length": PROMPTED_LENGTH},
    ),
    "Qwen2.5, 1 or 0": Family(
        "mxbai-rerank-base-v2, -large-v2",
        save_qwen2,
        prompted_by_itself(mxbai_layout, difference("1", "0")),
        ("torch",),
        {"template": "mxbai-v2", "max_length": PROMPTED_LENGTH},
    ),
    "Gemma, Yes": Family(
        "bge-reranker-v2-gemma",
        save_gemma,
        prompted_by_itself(bge_layout, lambda logits, tokenizer: logits[:, tokenizer.token_to_id("Yes")]),
        ("torch",),
        {"template": "bge-gemma", "max_length": PROMPTED_LENGTH},
    ),
    "MiniCPM, a head a layer": Family(
        "bge-reranker-v2-minicpm-layerwise",
        save_minicpm,
        minicpm_by_itself,
        ("torch",),
        {"template": "bge-layerwise", "cutoff_layer": CUTOFF, "max_length": PROMPTED_LENGTH},
    ),
    "T5, true or false": Family(
        "monot5-base, -large, -3b",
        save_t5,
        prompted_by_itself(monot5_layout, log_true, "AutoModelForSeq2SeqLM"),
        ("torch",),
        {"max_length": PROMPTED_LENGTH},
    ),
    "ColBERT": Family("colbertv2.0, answerai-colbert-small-v1", colbert, colbert_by_itself, GRAPHS),
    "ModernBERT, ColBERT": Family("GTE-ModernColBERT-v1", modern_colbert, modern_colbert_by_itself, GRAPHS),
}
