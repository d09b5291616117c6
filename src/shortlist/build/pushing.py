"""A local index and an address become an index on another engine."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from shortlist.retrieval import Index
from shortlist.retrieval.remote import Address, Pushed, Spread, connect, push


def push_index(
    folder: Path,
    address: str,
    *,
    shards: int = 1,
    replicas: int = 1,
    checkpoint: Path | None = None,
    keep_old: bool = False,
    watch: Callable[[int, int], None] = lambda done, total: None,
) -> Pushed:
    """Copy an index in a folder to a Qdrant or Milvus server, and let the address stand for the copy; see `push`.

    Keys are taken from QDRANT_API_KEY or MILVUS_TOKEN.
    """
    to, spread = Address.parse(address), Spread(shards, replicas)
    with Index.open(folder, read_only=True) as index, closing(connect(to, environ=os.environ)) as server:
        return push(index, server, to, spread=spread, checkpoint=checkpoint, keep_old=keep_old, watch=watch)
