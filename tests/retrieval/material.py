"""A real encoder that needs no model."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from shortlist.protocols import Role, Vectors


class HashingEncoder:
    """Words hashed into signed counts, scaled to unit length."""

    def __init__(self, *, dimension: int = 64) -> None:
        self._dimension = dimension
        self.seen: list[str] = []

    @property
    def fingerprint(self) -> str:
        return f"hashing-{self._dimension}"

    @property
    def dimension(self) -> int:
        return self._dimension

    def encode(self, texts: Sequence[str], *, role: Role) -> Vectors:
        self.seen.extend(texts)
        vectors = np.zeros((len(texts), self._dimension), np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.lower()):
                number = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")
                vectors[row, number % self._dimension] += 1 if number >> 40 & 1 else -1
            vectors[row] /= np.linalg.norm(vectors[row]) or 1.0
        return vectors
