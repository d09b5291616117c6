"""Static embeddings: a text's vector is the mean of its tokens' own vectors, looked up in one table.

The table is distilled from a bi-encoder as model2vec does (van Dongen & Tulkens 2024,
https://github.com/MinishLab/model2vec): every token of the vocabulary is encoded by itself, the vectors are brought to
fewer dimensions by PCA, and frequent tokens are weighed down (SIF, Arora et al. 2017) by their rank in the
vocabulary. BERT's is in order of frequency, but for single characters, which stand before the rest. With texts at
hand the table is then fitted to the encoder's vectors of them (`static_fit`). No transformer runs when a text is
encoded.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from shortlist.errors import CorruptModelError, InputError
from shortlist.inference.static_fit import Bags, fitted
from shortlist.inference.tokens import Ids, ModelInput, Tokenizer

CARD = "static.json"
_TABLE = "table.npy"
_SIF = 1e-4
_AT_ONCE = 4096
_RANK_OF_CHARACTERS = 50  # letters and punctuation are frequent, whatever their order
_UNUSED = re.compile(r"\[.*\]")


class StaticEngine:
    """Sums rows of a table `[vocabulary, dimension]`; stands where an `Engine` runs a transformer."""

    def __init__(self, table: npt.NDArray[np.float32], tokenizer: Tokenizer) -> None:
        self._table, self.tokenizer = table, tokenizer

    @classmethod
    def load(cls, folder: Path) -> tuple[StaticEngine, str, int]:
        """Return the engine of a folder that `save_static` wrote, its fingerprint and its dimension.

        Raises CorruptModelError, ModelNotFoundError.
        """
        try:
            card = json.loads((folder / CARD).read_text(encoding="utf-8"))
            table = np.load(folder / _TABLE, allow_pickle=False)
            fingerprint, dimension, digest = str(card["fingerprint"]), int(card["dimension"]), str(card["sha256"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CorruptModelError(f"{folder} holds no readable static model ({error}); distil it again") from error
        if _digest(table) != digest or table.shape[1:] != (dimension,):
            raise CorruptModelError(f"{folder / _TABLE} is damaged; distil the model again")
        return cls(table.astype(np.float32), Tokenizer.load(folder / "tokenizer.json")), fingerprint, dimension

    @property
    def facts(self) -> Mapping[str, str]:
        """A table on the CPU, read by the calling thread."""
        return {"engine": "numpy", "device": "cpu", "precision": "fp32", "streams": "1"}

    def run(self, inputs: Sequence[ModelInput]) -> npt.NDArray[np.float32]:
        """Return unit vectors `[inputs, dimension]`."""
        vectors = np.empty((len(inputs), self._table.shape[1]), np.float32)
        for start in range(0, len(inputs), _AT_ONCE):
            some = inputs[start : start + _AT_ONCE]
            starts = np.cumsum([0, *(len(one) for one in some[:-1])])
            rows = self._table[np.concatenate([one.ids for one in some])]  # [tokens, dimension]
            vectors[start : start + len(some)] = np.add.reduceat(rows, starts, axis=0)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors[(lengths == 0)[:, 0], 0] = 1.0  # a text of nothing but special tokens points somewhere, too
        lengths[lengths == 0] = 1.0
        vectors /= lengths
        return vectors

    def close(self) -> None:
        """Nothing is open."""


class TokenEncoder(Protocol):
    """What is distilled: an encoder that takes token ids."""

    fingerprint: str

    def encode_ids(self, ids: Sequence[Ids]) -> npt.NDArray[np.float32]:
        """Return unit vectors `[texts, dimension]`."""
        ...


def distilled(
    encoder: TokenEncoder,
    *,
    vocabulary: Sequence[str],
    special: Sequence[int],
    dimension: int = 256,
    texts: Sequence[Ids] = (),
    watch: Callable[[int, int], None] = lambda done, total: None,
) -> npt.NDArray[np.float32]:
    """Return the table `[vocabulary, dimension]` of an encoder; special tokens have rows of zeros.

    `vocabulary` holds the tokens by their ids. With `texts`, as token ids, the table is fitted to the encoder's vectors
    of them, too; they should be short, and like those that it is for. `watch` is told how many tokens and texts
    were encoded, and of how many. Raises InputError for a dimension that is not from 1 to the encoder's.
    """
    every = [np.array([token], np.int32) for token in range(len(vocabulary))]
    some = [ids for ids in texts if len(ids)]
    total = len(every) + len(some)
    tokens = _encoded(encoder, every, lambda done: watch(done, total))  # [vocabulary, encoder's dimension]
    if not 0 < dimension <= tokens.shape[1]:
        raise InputError(f"the dimension must be from 1 to the encoder's {tokens.shape[1]}, got {dimension}")
    weighted = (tokens - tokens.mean(axis=0)) * _sif_weights(vocabulary)[:, None]
    weighted[list(special)] = 0.0
    if not some:
        plain: npt.NDArray[np.float32] = (weighted @ _principal(tokens, dimension)).astype(np.float32)
        return plain
    wanted = _encoded(encoder, some, lambda done: watch(len(every) + done, total))  # [texts, encoder's dimension]
    axes = _principal(wanted, dimension)
    targets = ((wanted - wanted.mean(axis=0)) @ axes).astype(np.float32)
    return fitted((weighted @ axes).astype(np.float32), Bags(some, len(vocabulary)), targets)


def save_static(
    folder: Path, table: npt.NDArray[np.float32], *, tokenizer: Path, source: str, made_by: str = ""
) -> str:
    """Write a static model that `BiEncoder.load` reads; return its fingerprint. `tokenizer` is a tokenizer.json."""
    halves = table.astype(np.float16)
    digest = _digest(halves)
    fingerprint = f"static-{halves.shape[1]}@{digest[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / _TABLE, halves)
    shutil.copyfile(tokenizer, folder / "tokenizer.json")
    card = {
        "fingerprint": fingerprint,
        "dimension": int(halves.shape[1]),
        "sha256": digest,
        "distilled_from": source,
        "made_by": made_by,
    }
    (folder / CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return fingerprint


def _encoded(encoder: TokenEncoder, texts: Sequence[Ids], watch: Callable[[int], None]) -> npt.NDArray[np.float32]:
    parts = []
    for start in range(0, len(texts), _AT_ONCE):
        parts.append(encoder.encode_ids(texts[start : start + _AT_ONCE]))
        watch(min(start + _AT_ONCE, len(texts)))
    return np.concatenate(parts)


def _principal(vectors: npt.NDArray[np.float32], dimension: int) -> npt.NDArray[np.float64]:
    """Return the first principal components of vectors, as columns `[vectors' dimension, dimension]`."""
    centred = vectors.astype(np.float64) - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)  # ascending
    components: npt.NDArray[np.float64] = axes[:, ::-1][:, :dimension]
    return components


def _sif_weights(vocabulary: Sequence[str]) -> npt.NDArray[np.float64]:
    ranks, seen = np.full(len(vocabulary), _RANK_OF_CHARACTERS), 0
    for place, token in enumerate(vocabulary):
        if len(token.removeprefix("##")) > 1 and not _UNUSED.fullmatch(token):
            ranks[place], seen = seen, seen + 1
    shares = 1.0 / (ranks + 2)  # Zipf's law
    weights: npt.NDArray[np.float64] = _SIF / (_SIF + shares / shares.sum())
    return weights


def _digest(table: npt.NDArray[np.float16]) -> str:
    return hashlib.sha256(np.ascontiguousarray(table).tobytes()).hexdigest()
