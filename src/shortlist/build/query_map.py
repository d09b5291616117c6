"""A user's labelled queries and index become a blend whose bi-encoder reads queries through a map."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from shortlist.build.models import load_encoder
from shortlist.errors import InputError
from shortlist.protocols import Role
from shortlist.retrieval import BM25, Dense, Index
from shortlist.settings import Settings
from shortlist.training.copies import Passages
from shortlist.training.examples import Asked, folded
from shortlist.types import Document, Query

if TYPE_CHECKING:
    from shortlist.training.query_map import Labelled

FILE = "query_map.npy"
_DEPTH = 100  # passages of each retriever that stand beside a query's own


def train_map(
    asked: Sequence[Asked],
    parts: Sequence[Mapping[str, Any]],
    out: Path,
    *,
    index: Path | None,
    settings: Settings,
    seed: int,
    tell: Callable[[str], None],
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Fit the map of a blend's bi-encoder and write it to `out`; return the blend's parts, and the fit's figures.

    A map that the blend has already is replaced.

    Raises InputError where the blend has no bi-encoder, or no query has a relevant passage.
    """
    own = next((part for part in parts if part["kind"] == "bi-encoder"), None)
    if own is None:
        raise InputError(
            "a query map needs a blend with a bi-encoder, as shortlist-l6 is; train --kind cross-encoder or bi-encoder"
        )
    telling = [ask for ask in asked if ask.relevant]
    if not telling:
        raise InputError(
            f"none of {len(asked)} queries has a relevant passage; a teacher's orders are for --kind cross-encoder"
        )
    from shortlist.training.query_map import choose  # needs torch, which a base install has not

    labelled = _labelled(telling, index, str(own["model"]), settings, tell)
    found = choose(labelled, [folded(ask.query) for ask in telling], seed=seed)
    tell(f"held-out nDCG@10 of the cosine {found.dev_ndcg_at_start:.4f} before, {found.dev_ndcg:.4f} after")
    if found.decay is None:
        tell("warning: no map orders held-out queries better, so the model stays as it came")
    out.mkdir(parents=True, exist_ok=True)
    np.save(out / FILE, found.values)
    figures = {name: value for name, value in asdict(found).items() if name != "values"}
    kept = [{**part, "query_map": FILE} if part is own else dict(part) for part in parts]
    return kept, (figures | {"queries": len(telling), "passages": len(labelled.passages), "seed": seed})


def _labelled(
    asked: Sequence[Asked], index: Path | None, model: str, settings: Settings, tell: Callable[[str], None]
) -> Labelled:
    """Encode the queries, every passage near one of them, and every judged one of which none of those is a copy."""
    from shortlist.training.query_map import Labelled

    with ExitStack() as opened:
        encoder = opened.enter_context(closing(load_encoder(replace(settings, encoder=model))))
        near: list[Document] = []
        if index is not None:
            stored = opened.enter_context(Index.open(index, encoder=encoder, read_only=True))
            near = _near(asked, [BM25(stored), Dense(stored, encoder)])
        given = {folded(one.text): one.text for ask in asked for one in ask.passages}
        queries = encoder.encode([ask.query for ask in asked], role=Role.QUERY)
        texts = [*(document.full_text for document in near), *given.values()]
        vectors = np.asarray(encoder.encode(texts, role=Role.DOCUMENT), np.float32)
    theirs, own = vectors[: len(near)], dict(zip(given, vectors[len(near) :], strict=True))
    indexed = Passages(near, theirs)
    alone = [name for name, text in given.items() if not indexed.holds(text, own[name])]
    pool = Passages(
        [*near, *(Document(given[name]) for name in alone)], np.stack([*theirs, *(own[name] for name in alone)])
    )
    tell(f"{len(asked)} queries with a relevant passage, {len(pool.vectors)} passages")
    labels = [pool.labels(ask, [own[folded(one.text)] for one in ask.passages]) for ask in asked]
    return Labelled(np.asarray(queries, np.float32), pool.vectors, np.stack(labels))


def _near(asked: Sequence[Asked], retrievers: Sequence[BM25 | Dense]) -> list[Document]:
    """Return what the retrievers find for the queries, each text once."""
    found: dict[str, Document] = {}
    for ask in asked:
        for retriever in retrievers:
            for document in retriever.retrieve(Query(ask.query), depth=_DEPTH).documents:
                found.setdefault(folded(document.full_text), document)
    return [document for document in found.values() if document.full_text.strip()]
