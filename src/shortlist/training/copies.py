"""Which passages at hand say what a judged one says: in the same words, with or without a title, or nearly so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shortlist.protocols import Vectors
from shortlist.training.examples import Asked, folded
from shortlist.types import Document

COPY_COSINE = 0.95
"""From this cosine on, two passages are taken to say the same."""

_SAME_TEXT = 2.0  # above every cosine


class Passages:
    """Documents with their unit vectors `[documents, dim]`, among which copies of a text are found."""

    def __init__(self, documents: Sequence[Document], vectors: Vectors) -> None:
        self.vectors = vectors
        self._places: dict[str, list[int]] = {}
        for place, document in enumerate(documents):
            for text in {folded(document.text), folded(document.full_text)}:
                self._places.setdefault(text, []).append(place)

    def likeness(self, text: str, vector: Vectors) -> Vectors:
        """Return each document's cosine with a text's unit vector `[dim]`, and 2 where it is the same text."""
        found = np.asarray(self.vectors @ vector, np.float32)
        found[self._places.get(folded(text), [])] = _SAME_TEXT
        return found

    def holds(self, text: str, vector: Vectors) -> bool:
        """Say whether one of the documents is a copy of a text."""
        return bool(self.likeness(text, vector).max(initial=-1.0) >= COPY_COSINE)

    def labels(self, asked: Asked, vectors: Sequence[Vectors]) -> Vectors:
        """Return each document's label: that of the judged passage whose copy it is, the nearest of several, or 0.

        `vectors` are those of the query's passages in turn.
        """
        alike = np.stack(
            [self.likeness(one.text, vector) for one, vector in zip(asked.passages, vectors, strict=True)]
        )  # [judged, documents]
        given = np.asarray([one.label for one in asked.passages], np.float32)
        return np.where(alike.max(0) >= COPY_COSINE, given[alike.argmax(0)], np.float32(0))
