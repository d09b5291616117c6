"""Bi-encoder: a text alone becomes a vector, to be compared by cosine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from shortlist.inference.load import load_engine
from shortlist.inference.session import Precision
from shortlist.inference.static import CARD, StaticEngine
from shortlist.inference.tokens import Ids, ModelInput, Tokenizer
from shortlist.protocols import Role, Vectors
from shortlist.types import TokenIds

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
    """A Sentence-BERT encoder (Reimers & Gurevych 2019): mean over the tokens, scaled to unit length.

    A text longer than `max_length` tokens is read up to there. Queries and documents are
    encoded alike. Safe to use from several threads.
    """

    def __init__(self, engine: TextEngine, *, fingerprint: str, dimension: int, max_length: int = 256) -> None:
        self._engine = engine
        self._max_length = max_length
        self.fingerprint = f"{fingerprint}:mean:{max_length}"
        self.dimension = dimension

    @classmethod
    def load(
        cls,
        name: str,
        *,
        revision: str | None = None,
        engine: str = "auto",
        precision: Precision | str = Precision.AUTO,
        threads: int | None = None,
        device: str = "auto",
        exact: bool = False,
    ) -> BiEncoder:
        """Load a packaged name, a folder or a hub repository; see `find_model` for errors.

        The fingerprint leaves engine and precision out: their vectors differ by rounding
        only, and an index stays usable when it is carried to another machine. A folder with
        static embeddings needs neither of them.
        """
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
        return cls(
            loaded.engine,
            fingerprint=loaded.folder.fingerprint(),
            dimension=int(loaded.folder.config["hidden_size"]),
            max_length=loaded.folder.max_length,
        )

    def encode(self, texts: Sequence[str], *, role: Role) -> Vectors:
        """Return unit vectors `[texts, dimension]` in input order."""
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        return self.encode_ids(self._engine.tokenizer.encode(texts))

    def encode_ids(self, ids: Sequence[Ids]) -> Vectors:
        """Return unit vectors `[texts, dimension]` of texts that are token ids already; at least one is needed."""
        template = self._engine.tokenizer.single
        inputs: list[ModelInput] = [template.build(one[: self.room], one[:0]) for one in ids]
        return self._engine.run(inputs)

    @property
    def room(self) -> int:
        """How many tokens of a text are read."""
        return self._max_length - self._engine.tokenizer.single.overhead

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
