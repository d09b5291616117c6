"""An index and the settings become a pipeline."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

from shortlist import protocols
from shortlist.build.models import load_encoder
from shortlist.build.reranker import Reranker
from shortlist.errors import InputError
from shortlist.gating.log import append, logged, make_ready
from shortlist.inference.biencoder import BiEncoder
from shortlist.pipeline import Pipeline
from shortlist.pipeline.fused import WithFirstStage, share
from shortlist.pipeline.watched import Watched
from shortlist.protocols import Encoder, Gate, Retriever
from shortlist.retrieval import (
    BM25,
    Dense,
    Fuse,
    Hybrid,
    Index,
    Searchable,
    Where,
    reciprocal_rank_fusion,
    weighted_fusion,
)
from shortlist.retrieval.remote import Address, RemoteIndex, open_remote
from shortlist.settings import Settings

FIRST_STAGES = ("hybrid", "weighted", "bm25", "dense")


@contextmanager
def open_pipeline(
    index_path: Path | str,
    *,
    settings: Settings | None = None,
    first_stage: str = "hybrid",
    rerank: bool = True,
    where: Where | None = None,
    faster: Sequence[str] = (),
    gate: Gate | None = None,
    budgets: bool = False,
    log: Path | str | None = None,
    encoder: BiEncoder | None = None,
    reranker: Reranker | None = None,
) -> Iterator[Pipeline]:
    """Open an index for searching, with its models loaded; close all of it at the end.

    `index_path` is a folder, or the address of a remote index, such as "qdrant:http://localhost:6333/docs".
    `first_stage` is "hybrid" (BM25 and the bi-encoder by reciprocal rank), "weighted" (both
    by normalised scores), "bm25" or "dense". With `rerank=False` its order stands. `where`
    filters by metadata. `faster` models take the reranker's place when a search's budget is too
    small for it. A `gate` decides query by query whether to rerank. With `budgets`, how fast
    the models are is found out now, so that the first search's budget is not spent on it. The settings'
    `first_stage_weight` keeps that share of the first stage's scores in the order, and their `diversity` puts what
    repeats less before what repeats more (`diversified`), by the vectors of the index. Into the file `log` goes of
    every query what a gate could see and whether reranking changed the settings' first `top_k`. An open `encoder` and a
    `reranker` are used in place of the settings' own, so that several pipelines share them, and are left open.
    Raises IndexNotFoundError, IndexMismatchError, CorruptIndexError; for an address also RemoteError.
    """
    chosen = settings or Settings()
    if first_stage not in FIRST_STAGES:
        raise InputError(f"first_stage must be one of {', '.join(FIRST_STAGES)}; got {first_stage!r}")
    if reranker is not None and (faster or not rerank):
        raise InputError("a reranker that is given has its own faster ones, and reranks; leave it out, or these")
    with ExitStack() as opened:
        if encoder is None and first_stage != "bm25":
            encoder = opened.enter_context(closing(load_encoder(chosen)))
        searching = None if first_stage == "bm25" else encoder
        index = opened.enter_context(closing(open_index(index_path, searching)))
        second = reranker or Reranker.of(chosen, encoder=encoder, faster=faster) if rerank else None
        if second is not None:
            second.expect_budgets() if budgets else second.ready()
        yield Pipeline(
            retriever_of(first_stage, index, searching, where),
            _second_stage(second, chosen, log),
            gate=gate,
            diversity=chosen.diversity,
        )


def open_index(path: Path | str, encoder: Encoder | None) -> Index | RemoteIndex:
    """Open an index for searching: a folder's, or by its address one on another engine."""
    if Address.is_one(str(path)):
        return open_remote(Address.parse(str(path)), environ=os.environ, encoder=encoder)
    return Index.open(path, encoder=encoder, read_only=True)


def retriever_of(first_stage: str, index: Searchable, encoder: Encoder | None, where: Where | None = None) -> Retriever:
    """Make a first stage: one of `FIRST_STAGES`. Without an encoder it is BM25, whatever was asked for."""
    by_words = BM25(index, where)
    if first_stage == "bm25" or encoder is None:
        return by_words
    by_vectors = Dense(index, encoder, where)
    if first_stage == "dense":
        return by_vectors
    fuse: Fuse = partial(weighted_fusion, weights=(0.5, 0.5)) if first_stage == "weighted" else reciprocal_rank_fusion
    return Hybrid([by_words, by_vectors], fuse=fuse, at_once=index.is_remote)


def _second_stage(reranker: Reranker | None, settings: Settings, log: Path | str | None) -> protocols.Reranker | None:
    """Keep the share of the first stage's scores that the settings want, and log what changes."""
    if reranker is None:
        return None
    weight = share(settings.first_stage_weight)
    chosen: protocols.Reranker = WithFirstStage(reranker, weight=weight) if weight else reranker
    if log is None:
        return chosen
    file = Path(log).absolute()  # the process may change its folder
    make_ready(file)
    return Watched(chosen, lambda before, after: append(file, logged(before, after, top_k=settings.top_k)))
