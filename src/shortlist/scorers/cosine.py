"""A bi-encoder as a scorer: the cosine of query and document."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from shortlist.errors import CorruptModelError
from shortlist.inference.biencoder import BiEncoder
from shortlist.inference.session import Precision
from shortlist.inference.tokens import Ids, Tokenizer
from shortlist.protocols import Group, Role, Vectors
from shortlist.types import Document, DocumentVector, Query, ScoreKind, Scores, Step, Truncation, monotonic_ms


class Cosine:
    """Scores by vectors alone; those stored at index time by the same encoder are taken as they are.

    Queries' vectors go through `query_map` `[dimension, dimension]`, if there is one (`mapped`).
    """

    def __init__(self, encoder: BiEncoder, *, query_map: Vectors | None = None) -> None:
        self._encoder, self._query_map = encoder, query_map
        self._asked: tuple[tuple[str, ...], Vectors, list[Truncation | None]]
        self._asked = ((), np.zeros((0, encoder.dimension), np.float32), [])
        how = [encoder.facts[name] for name in ("engine", "precision") if name in encoder.facts]
        self.fingerprint = ":".join(["cosine", encoder.fingerprint, *how])
        if query_map is not None:
            self.fingerprint += f" mapped {hashlib.sha256(query_map.tobytes()).hexdigest()[:12]}"

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
        prompts: Mapping[Role, str] | None = None,
        query_map: Vectors | None = None,
    ) -> Cosine:
        """Load a bi-encoder; options and errors are those of `BiEncoder.load`."""
        encoder = BiEncoder.load(
            name,
            revision=revision,
            engine=engine,
            precision=precision,
            threads=threads,
            device=device,
            exact=exact,
            prompts=prompts,
        )
        return cls(encoder, query_map=query_map)

    @property
    def tokenizer(self) -> Tokenizer:
        """What makes token ids of texts."""
        return self._encoder.tokenizer

    @property
    def encoder(self) -> BiEncoder:
        """The bi-encoder."""
        return self._encoder

    def has_stored(self, documents: Sequence[Document]) -> bool:
        """Whether all documents have a vector of this encoder, so that none has to be made."""
        return all(d.vector is not None and d.vector.encoder == self._encoder.fingerprint for d in documents)

    def storing(self, documents: Sequence[Document]) -> list[Document]:
        """Return the documents with a vector of this encoder each; those without one are encoded."""
        vectors, is_fresh = self._vectors(documents, self.tokenizer.ids_of(documents))
        known = self._encoder.fingerprint
        return [
            replace(document, vector=DocumentVector(known, vector)) if fresh else document
            for document, vector, fresh in zip(documents, vectors, is_fresh, strict=True)
        ]

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        """Return one cosine a document, `[documents]` in input order, in -1..1."""
        return self.score_groups([(query, documents)])[0]

    def score_groups(self, groups: Sequence[Group]) -> list[Scores]:
        """Return each group's cosines; the texts of all groups are encoded together."""
        began = monotonic_ms()
        documents = [document for _, some in groups for document in some]
        ids = self.tokenizer.ids_of(documents)
        vectors, is_fresh = self._vectors(documents, ids)
        queries, cuts = self._queries(tuple(query.text for query, _ in groups))  # [groups, dimension], [groups]
        found: list[Scores] = []
        done = 0
        for (_, some), query, query_cut in zip(groups, queries, cuts, strict=True):
            here = slice(done, done + len(some))
            step = self._step(began, query_cut, some, ids[here], sum(is_fresh[here]))
            found.append(Scores(cosines(vectors[here], query), ScoreKind.SIMILARITY, step))
            done += len(some)
        return found

    def _queries(self, texts: tuple[str, ...]) -> tuple[Vectors, list[Truncation | None]]:
        """Return the queries' vectors and what was cut of each.

        Those asked last are remembered, since a request may come in several calls.
        """
        asked, vectors, cuts = self._asked  # one tuple, so that threads see all of one call
        if asked != texts:
            vectors, cuts = self._encoder.encode(texts, role=Role.QUERY), list(map(self._encoder.query_cut, texts))
            vectors = vectors if self._query_map is None else mapped(vectors, self._query_map)
            self._asked = (texts, vectors, cuts)
        return vectors, cuts

    def _step(
        self,
        began: float,
        query_cut: Truncation | None,
        documents: Sequence[Document],
        ids: Sequence[Ids],
        fresh: int,
    ) -> Step:
        room = self._encoder.room
        cut = [Truncation(d.doc_id, room, len(i)) for d, i in zip(documents, ids, strict=True) if len(i) > room]
        notes = [f"{len(cut)} texts cut by the bi-encoder at {room} tokens"] if cut else []
        if query_cut is not None:
            notes.append(f"the query was cut by the bi-encoder: {query_cut.extent}")
            cut.insert(0, query_cut)
        return Step(
            "cosine",
            monotonic_ms() - began,
            {"documents": len(documents), "encoded": fresh},
            {"model": self._encoder.fingerprint, **self._encoder.facts},
            tuple(notes),
            tuple(cut),
        )

    def _vectors(self, documents: Sequence[Document], ids: Sequence[Ids]) -> tuple[Vectors, list[bool]]:
        """Return vectors `[documents, dimension]`, and which of them had to be made."""
        known = self._encoder.fingerprint
        stored = [d.vector.values if d.vector is not None and d.vector.encoder == known else None for d in documents]
        missing = [place for place, vector in enumerate(stored) if vector is None]
        vectors = np.zeros((len(documents), self._encoder.dimension), dtype=np.float32)
        for place, vector in enumerate(stored):
            if vector is not None:
                vectors[place] = vector
        if missing:
            vectors[missing] = self._fresh([documents[p] for p in missing], [ids[p] for p in missing])
        return vectors, [vector is None for vector in stored]

    def _fresh(self, documents: Sequence[Document], ids: Sequence[Ids]) -> Vectors:
        are_cut = any(one.tokens is not None and not one.tokens.is_whole for one in documents)  # as was asked for
        if are_cut or self._encoder.takes_ids():
            return self._encoder.encode_ids(ids)
        return self._encoder.encode([one.full_text for one in documents], role=Role.DOCUMENT)


def read_map(file: Path) -> Vectors:
    """Read a query map `[dimension, dimension]`; raises CorruptModelError for a file that holds none."""
    try:
        values = np.asarray(np.load(file, allow_pickle=False), np.float32)
    except (OSError, ValueError, EOFError) as error:
        raise CorruptModelError(f"cannot read the query map {file}: {error}; train it again") from error
    if values.ndim != 2 or values.shape[0] != values.shape[1] or not np.isfinite(values).all():
        raise CorruptModelError(f"{file} holds no square matrix of finite numbers; train it again")
    return values


def mapped(queries: Vectors, query_map: Vectors) -> Vectors:
    """Return the queries `[queries, dimension]` plus what the map makes of them, as unit vectors."""
    moved = np.asarray([query + np.einsum("i,ij->j", query, query_map) for query in queries], np.float32)
    norms: Vectors = np.linalg.norm(moved, axis=1, keepdims=True)
    return np.asarray(moved / np.maximum(norms, np.float32(1e-12)), np.float32)


def cosines(vectors: Vectors, query: Vectors) -> Vectors:
    """Return the products `[documents]` of unit vectors `[documents, dimension]` with a query's `[dimension]`.

    A row's number does not depend on the others, to the bit: a product of matrix and vector adds some rows up in
    another order than others, so that two documents with one text would not tie.
    """
    found: Vectors = np.einsum("ij,j->i", vectors, query)
    return found
