"""Documents made ready to be indexed: checked, tokenized, encoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from shortlist.errors import InputError, ScoreError
from shortlist.protocols import Encoder, Role
from shortlist.retrieval.rows import metadata_json
from shortlist.types import Document, TokenIds

Tokenize = Callable[[Sequence[str]], list[TokenIds]]
"""Full texts in, their token ids out, in the same order."""

HalfVector = npt.NDArray[np.float16]

_AT_ONCE = 256


def prepared(
    documents: Sequence[Document], *, dimension: int, encoder: Encoder | None, tokenize: Tokenize | None
) -> list[tuple[Document, HalfVector | None]]:
    """Return documents with their vectors; of one doc_id given twice the later stays, in its later place.

    Raises InputError for anything that cannot be stored, before any model runs.
    """
    kept = _checked(documents)
    if dimension and encoder is None and kept:
        raise InputError("this index holds vectors; open it with its encoder to add documents")
    ready: list[tuple[Document, HalfVector | None]] = []
    for start in range(0, len(kept), _AT_ONCE):
        batch = kept[start : start + _AT_ONCE]
        texts = [document.full_text for document in batch]
        if tokenize is not None:
            batch = [replace(d, tokens=ids) for d, ids in zip(batch, tokenize(texts), strict=True)]
        vectors = _encoded(batch, texts, encoder, dimension) if dimension and encoder else [None] * len(batch)
        ready.extend(zip(batch, vectors, strict=True))
    return ready


def _checked(documents: Sequence[Document]) -> list[Document]:
    if isinstance(documents, Document):
        raise InputError("documents must be a list of documents, not a single one; put it in a list: [document]")
    kept: dict[str, Document] = {}
    for place, document in enumerate(documents):
        if not isinstance(document, Document):
            raise InputError(f"document {place} is a {type(document).__name__}; make it one with Document.of")
        if not document.doc_id:
            raise InputError(f"document {place} has no doc_id, by which it could be found again; give it one")
        metadata_json(document)
        kept.pop(document.doc_id, None)
        kept[document.doc_id] = document
    return list(kept.values())


def _encoded(
    documents: Sequence[Document], texts: Sequence[str], encoder: Encoder, dimension: int
) -> list[HalfVector | None]:
    """Encode the texts that are not blank: the vector of nothing is near arbitrary queries."""
    filled = [place for place, text in enumerate(texts) if text.strip()]
    vectors: list[HalfVector | None] = [None] * len(texts)
    if not filled:
        return vectors
    made = np.asarray(encoder.encode([texts[place] for place in filled], role=Role.DOCUMENT))  # [filled, dimension]
    if made.shape != (len(filled), dimension):
        raise ScoreError(f"{encoder.fingerprint} gave vectors {made.shape} instead of {(len(filled), dimension)}")
    for place, vector in zip(filled, made, strict=True):
        if not np.isfinite(vector).all():
            raise ScoreError(f"{encoder.fingerprint} gave NaN or infinity for document {documents[place].doc_id!r}")
        vectors[place] = vector.astype(np.float16)
    return vectors
