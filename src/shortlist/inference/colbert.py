"""How a late-interaction model reads queries and documents: markers, lengths, query augmentation, skipped tokens."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from shortlist.errors import CorruptModelError, InputError, UnsupportedModelError
from shortlist.inference.models import ModelFolder
from shortlist.inference.modules import read_json
from shortlist.inference.tokens import Ids, ModelInput, Tokenizer

_QUERY_LENGTH = 32  # of ColBERT, https://arxiv.org/abs/2004.12832 section 3.2, where a model does not say


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """How one side is read: marker ids behind [CLS], what stands before the text, and the length with all of it."""

    marker: Ids
    lead: str
    length: int


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Everything that a late-interaction model says about its inputs.

    A query is filled up to its length with `mask_id` when that is not None (query augmentation);
    the encoder sees these positions only with `attend`. Document tokens in `skipped` do not count.
    """

    query: Side
    document: Side
    mask_id: int | None
    attend: bool
    skipped: Ids

    def fingerprint(self) -> str:
        """Name everything that moves a score."""
        digest = hashlib.sha256()
        for part in (self.query, self.document):
            digest.update(f"{part.marker.tolist()}:{part.lead!r}:{part.length};".encode())
        digest.update(f"{self.mask_id}:{self.attend}:{sorted(self.skipped.tolist())}".encode())
        return f"{self.query.length}:{self.document.length}:{digest.hexdigest()[:8]}"

    def query_input(self, text: Ids, tokenizer: Tokenizer) -> ModelInput:
        """Build `[CLS] marker text [SEP]`, filled up with masks."""
        built = _framed(self.query, text, tokenizer)
        if self.mask_id is None:
            return ModelInput(built, len(built))
        masks = np.full(max(0, self.query.length - len(built)), self.mask_id, dtype=np.int32)
        ids = np.concatenate([built, masks])
        return ModelInput(ids, len(ids), None if self.attend else len(built))

    def document_input(self, text: Ids, tokenizer: Tokenizer) -> ModelInput:
        """Build `[CLS] marker text [SEP]`."""
        built = _framed(self.document, text, tokenizer)
        return ModelInput(built, len(built))

    def room(self, side: Side, tokenizer: Tokenizer) -> int:
        """How many tokens of a text fit."""
        return max(1, side.length - tokenizer.single.overhead - len(side.marker))


def read_layout(model: ModelFolder, tokenizer: Tokenizer, *, document_length: int | None = None) -> Layout:
    """Read the layout of a ColBERT checkpoint (`artifact.metadata`), of PyLate, or of sentence-transformers.

    `document_length` stands in for the documents' own, up to what the model has positions for. Raises
    UnsupportedModelError when the folder is none of them or uses what is not known here, InputError for a length
    that leaves no room.
    """
    layout = _declared(model, tokenizer)
    if document_length is None:
        return layout
    least = tokenizer.single.overhead + len(layout.document.marker) + 1
    if document_length < least:
        raise InputError(f"max_length={document_length} leaves no room for a document; it must be {least} or more")
    return replace(layout, document=replace(layout.document, length=_limit(model, document_length)))


def _declared(model: ModelFolder, tokenizer: Tokenizer) -> Layout:
    kind = model.sentence_transformers.get("model_type")
    if kind == "ColBERT":
        return _pylate(model, tokenizer)
    if kind == "MultiVectorEncoder":
        return _multi_vector(model, tokenizer)
    if "HF_ColBERT" in (model.config.get("architectures") or ()):
        return _original(model, tokenizer)
    raise UnsupportedModelError(
        f"{model.name} is no late-interaction model: neither its config.json says HF_ColBERT,"
        " nor its config_sentence_transformers.json ColBERT or MultiVectorEncoder"
    )


def _original(model: ModelFolder, tokenizer: Tokenizer) -> Layout:
    said = read_json(model.path / "artifact.metadata", dict)
    skipped = string.punctuation if said.get("mask_punctuation", True) else ""
    return Layout(
        _marked(tokenizer, said.get("query_token_id") or "[unused0]", said.get("query_maxlen") or _QUERY_LENGTH),
        _marked(tokenizer, said.get("doc_token_id") or "[unused1]", _limit(model, said.get("doc_maxlen"))),
        _mask(model, tokenizer, None),
        bool(said.get("attend_to_mask_tokens")),
        _ids(tokenizer, skipped),
    )


def _pylate(model: ModelFolder, tokenizer: Tokenizer) -> Layout:
    said = model.sentence_transformers
    expand = said.get("do_query_expansion") is not False
    skipped = said.get("skiplist_words")
    return Layout(
        _marked(tokenizer, said.get("query_prefix") or "", said.get("query_length") or _QUERY_LENGTH),
        _marked(tokenizer, said.get("document_prefix") or "", _limit(model, said.get("document_length"))),
        _mask(model, tokenizer, None) if expand else None,
        bool(said.get("attend_to_expansion_tokens", said.get("attend_to_mask_tokens"))),
        _ids(tokenizer, string.punctuation if skipped is None else skipped),
    )


def _multi_vector(model: ModelFolder, tokenizer: Tokenizer) -> Layout:
    said = read_json(model.path / "sentence_bert_config.json", dict)
    prompts = model.sentence_transformers.get("prompts") or {}
    expansion: Mapping[str, Any] = said.get("query_expansion") or {}
    masks = [module.settings for module in model.modules if module.kind == "MultiVectorMask"]
    only_known = expansion.get("strategy", "fixed") == "fixed" and all(
        mask.get("skiplist_tasks", ["document"]) == ["document"] and not mask.get("keep_only_token_ids")
        for mask in masks
    )
    if not only_known:
        raise UnsupportedModelError(
            f"{model.name}: query_expansion={dict(expansion)} with masks {masks} is not known here; only the fixed"
            " strategy, and skipping by words on documents, are"
        )
    length = expansion.get("length") or said.get("query_length")
    return Layout(
        _prompted(tokenizer, prompts.get("query") or "", _limit(model, length)),
        _prompted(tokenizer, prompts.get("document") or "", _limit(model, said.get("document_length"))),
        _mask(model, tokenizer, expansion.get("token")) if expansion else None,
        bool(expansion.get("attend")),
        _ids(tokenizer, [word for mask in masks for word in mask.get("skiplist_words") or ()]),
    )


def _marked(tokenizer: Tokenizer, prefix: str, length: int) -> Side:
    """Read a prefix as a marker token when the vocabulary holds it, with or without its trailing space."""
    for marker in (prefix, prefix.strip()):
        found = tokenizer.id_of(marker) if marker else None
        if found is not None:
            return Side(np.asarray([found], np.int32), prefix[len(marker) :], length)
    return Side(np.empty(0, np.int32), prefix, length)


def _prompted(tokenizer: Tokenizer, prompt: str, length: int) -> Side:
    """Read a prompt as text that may begin with a token that was added as a whole."""
    marker = next((m for m in (prompt, prompt.strip()) if m and tokenizer.is_added(m)), "")
    found = tokenizer.id_of(marker) if marker else None
    return Side(np.asarray([] if found is None else [found], np.int32), prompt[len(marker) :], length)


def _limit(model: ModelFolder, said: object) -> int:
    return min(model.max_length, said) if isinstance(said, int) and said > 0 else model.max_length


def _mask(model: ModelFolder, tokenizer: Tokenizer, token: object) -> int:
    named = token or read_json(model.path / "tokenizer_config.json", dict).get("mask_token") or "[MASK]"
    text = str(named.get("content")) if isinstance(named, dict) else str(named)
    found = tokenizer.id_of(text)
    if found is None:
        raise CorruptModelError(f"{model.path}: the tokenizer has no token {text!r} to fill queries up with")
    return found


def _ids(tokenizer: Tokenizer, words: Iterable[str]) -> Ids:
    found = [tokenizer.id_of(word) for word in words]
    return np.asarray([one for one in found if one is not None], dtype=np.int32)


def _framed(side: Side, text: Ids, tokenizer: Tokenizer) -> Ids:
    frame = tokenizer.single
    return np.concatenate([frame.before, side.marker, text, frame.after])
