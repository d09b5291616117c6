"""Bi-encoder: a text alone becomes a vector, to be compared by cosine."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from shortlist.errors import UnsupportedModelError
from shortlist.inference.load import load_engine
from shortlist.inference.models import ModelFolder, name_of
from shortlist.inference.session import Precision
from shortlist.inference.static import CARD, StaticEngine
from shortlist.inference.tokens import Ids, ModelInput, Tokenizer, shared_start
from shortlist.protocols import Role, Vectors
from shortlist.types import QUERY_CUT, Document, TokenIds, Truncation

_NOTHING = np.empty(0, np.int32)
_STATIC_LENGTH = 2048  # tokens; more hardly move a mean, and a bound keeps memory bounded


class TextEngine(Protocol):
    """What turns token ids into unit vectors: an `Engine`, or a `StaticEngine`."""

    @property
    def tokenizer(self) -> Tokenizer:
        """Of the model."""
        ...

    @property
    def facts(self) -> Mapping[str, str]:
        """What runs where and how, for a step."""
        ...

    def run(self, inputs: Sequence[ModelInput]) -> Vectors:
        """Return unit vectors `[inputs, dimension]`."""
        ...

    def close(self) -> None:
        """End what runs."""
        ...


class BiEncoder:
    """A Sentence-BERT encoder (Reimers & Gurevych 2019): one vector a text, scaled to unit length.

    It is the mean over the tokens, or what the model's own modules make of them. A text longer
    than `max_length` tokens is read up to there. `prompts` are what the model wants before a query and before a
    document ("query: "); without them both are encoded alike. Safe to use from several threads.
    """

    def __init__(
        self,
        engine: TextEngine,
        *,
        fingerprint: str,
        dimension: int,
        max_length: int = 256,
        prompts: Mapping[Role, str] | None = None,
    ) -> None:
        self._engine = engine
        self._max_length = max_length
        self._said = {role: text for role, text in (prompts or {}).items() if text}
        self._prompts = {role: _leading(engine.tokenizer, text) for role, text in self._said.items()}
        self.fingerprint = f"{fingerprint}:mean:{max_length}"
        if self._prompts:
            said = json.dumps({role.value: text for role, text in sorted(self._said.items())})
            self.fingerprint += f":{hashlib.sha256(said.encode()).hexdigest()[:8]}"
        self.dimension = dimension

    @classmethod
    def load(
        cls,
        name: str | os.PathLike[str],
        *,
        revision: str | None = None,
        engine: str = "auto",
        precision: Precision | str = Precision.AUTO,
        threads: int | None = None,
        device: str = "auto",
        exact: bool = False,
        prompts: Mapping[Role, str] | None = None,
    ) -> BiEncoder:
        """Load a packaged name, a folder or a hub repository; see `find_model` for errors.

        The fingerprint leaves engine and precision out: their vectors differ by rounding
        only, and an index stays usable when it is carried to another machine. A folder with
        static embeddings needs neither of them. `prompts` are given where the model's
        `config_sentence_transformers.json` does not say them.
        """
        name = name_of(name)
        if (Path(name) / CARD).is_file():
            static, fingerprint, dimension = StaticEngine.load(Path(name))
            return cls(static, fingerprint=fingerprint, dimension=dimension, max_length=_STATIC_LENGTH)
        loaded = load_engine(
            name,
            head="mean_pooling",
            revision=revision,
            engine=engine,
            precision=precision,
            threads=threads,
            device=device,
            exact=exact,
        )
        asked = prompts or _prompts(loaded.folder.prompts)
        if wrong := _not_done_here(loaded.folder, asked):
            loaded.engine.close()
            raise UnsupportedModelError(f"{name} {wrong}")
        return cls(
            loaded.engine,
            fingerprint=loaded.folder.fingerprint(),
            dimension=loaded.folder.vector_size,
            max_length=loaded.folder.max_length,
            prompts=asked,
        )

    def encode(self, texts: Sequence[str], *, role: Role) -> Vectors:
        """Return unit vectors `[texts, dimension]` in input order."""
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        prompt = self._said.get(role, "")
        return self._read(self._engine.tokenizer.encode([prompt + text for text in texts]))

    def encode_ids(self, ids: Sequence[Ids]) -> Vectors:
        """Return unit vectors `[texts, dimension]` of documents that are token ids already; at least one is needed."""
        prompt = self._prompts.get(Role.DOCUMENT, _NOTHING)
        return self._read([np.concatenate([prompt, one]) for one in ids] if len(prompt) else ids)

    def takes_ids(self) -> bool:
        """Whether `encode_ids` gives what `encode` gives: not where the prompt's last blank is of a text's first token.

        That is so in byte-level vocabularies (ModernBERT, RoBERTa).
        """
        prompt = self._said.get(Role.DOCUMENT)
        if prompt is None:
            return True
        alone, whole = self._engine.tokenizer.encode(["a", prompt + "a"])
        return np.array_equal(np.concatenate([self._prompts[Role.DOCUMENT], alone]), whole)

    def _read(self, ids: Sequence[Ids]) -> Vectors:
        template = self._engine.tokenizer.single
        room = max(0, self._max_length - template.overhead)
        inputs: list[ModelInput] = [template.build(one[:room], one[:0]) for one in ids]
        return self._engine.run(inputs)

    @property
    def room(self) -> int:
        """How many tokens of a document are read."""
        return self._room_for(Role.DOCUMENT)

    def query_cut(self, text: str) -> Truncation | None:
        """Return what is left out of a query, in tokens; None when it is read to its end."""
        total, room = len(self._engine.tokenizer.encode([text])[0]), self._room_for(Role.QUERY)
        return Truncation(QUERY_CUT, room, total) if total > room else None

    def document_cuts(self, documents: Sequence[Document]) -> list[Truncation]:
        """Return what is left out of those documents that are not read to their end, in tokens."""
        lengths = map(len, self._engine.tokenizer.encode([document.full_text for document in documents]))
        room = self.room
        return [Truncation(d.doc_id, room, n) for d, n in zip(documents, lengths, strict=True) if n > room]

    def _room_for(self, role: Role) -> int:
        room = self._max_length - self._engine.tokenizer.single.overhead - len(self._prompts.get(role, _NOTHING))
        return max(0, room)

    @property
    def tokenizer(self) -> Tokenizer:
        """What makes token ids of texts."""
        return self._engine.tokenizer

    @property
    def facts(self) -> Mapping[str, str]:
        """The engine's facts."""
        return self._engine.facts

    def tokenize(self, texts: Sequence[str]) -> list[TokenIds]:
        """Return whole token ids, to be stored for a scorer that has the same tokenizer."""
        return self._engine.tokenizer.tokenize(texts)

    def close(self) -> None:
        """End the engine's threads."""
        self._engine.close()


def _not_done_here(folder: ModelFolder, prompts: Mapping[Role, str]) -> str:
    """Return what a model's files say of its vectors that is not done with them here; empty where all is."""
    if any(prompts.values()) and any(module.leaves_prompt_out for module in folder.modules):
        return (
            "leaves its prompt out of the mean over the tokens (include_prompt: false), which is not done here; take a"
            " bi-encoder whose prompt counts"
        )
    compared = str(folder.sentence_transformers.get("similarity_fn_name") or "cosine")
    if compared == "cosine" or any(module.kind == "Normalize" for module in folder.modules):
        return ""
    return (
        f"compares vectors by {compared!r} (similarity_fn_name), where their lengths count; here all have length 1, so"
        " take a bi-encoder for cosine"
    )


def _prompts(said: Mapping[str, str]) -> dict[Role, str]:
    """Return prompts by role; documents are called "document" or, in older models, "passage"."""
    return {Role.QUERY: said.get("query", ""), Role.DOCUMENT: said.get("document", said.get("passage", ""))}


def _leading(tokenizer: Tokenizer, prompt: str) -> Ids:
    """Return the token ids that a prompt puts before a text: what it begins with alone and with a text behind it."""
    one, other = tokenizer.encode([prompt, f"{prompt}a"])
    return one[: shared_start(one, other)]
