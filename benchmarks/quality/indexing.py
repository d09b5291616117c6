"""A collection's index: built once, and used again when its folder is named."""

from __future__ import annotations

import contextlib
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.progress import Progress, tell
from benchmarks.quality.collection import Collection
from shortlist.errors import InputError
from shortlist.inference.biencoder import BiEncoder
from shortlist.retrieval import Index

_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Indexed:
    """An open index, and in words whether it was built now or before."""

    index: Index
    history: str


@contextlib.contextmanager
def work_folder(path: Path | None) -> Iterator[Path]:
    """Give the named folder, or one that is removed afterwards."""
    if path is not None:
        path.mkdir(parents=True, exist_ok=True)
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="shortlist-benchmark-") as folder:
        yield Path(folder)


@contextlib.contextmanager
def indexed(collection: Collection, work: Path, *, encoder: BiEncoder | None) -> Iterator[Indexed]:
    """Open the collection's index in the work folder; documents that are not in it yet are added.

    Without an encoder it holds words only.
    """
    made_with = re.sub(r"\W+", "-", encoder.fingerprint) if encoder else "words"
    path = work / f"{collection.name}-{made_with}"
    tokenize = encoder.tokenize if encoder else None
    opening = Index.open if (path / "documents.sqlite").is_file() else Index.create
    with opening(path, encoder=encoder, tokenize=tokenize) as index:
        history = _fill(index, collection)
        tell(f"{collection.name}: index of {index.count()} documents {history}")
        yield Indexed(index, history)


def _fill(index: Index, collection: Collection) -> str:
    documents = [document for doc_id, document in collection.documents.items() if doc_id not in index]
    began = time.monotonic()
    if documents:
        progress = Progress(f"{collection.name}: indexing", len(documents), unit="documents")
        for start in range(0, len(documents), _AT_ONCE):
            batch = documents[start : start + _AT_ONCE]
            index.upsert(batch)
            progress.step(len(batch))
        index.optimize()
    if index.count() != len(collection.documents):
        raise InputError(
            f"{index.path} holds {index.count()} documents instead of {len(collection.documents)};"
            " it was made from other data: delete the folder"
        )
    took = time.monotonic() - began
    return f"built in {took:.0f} s ({len(documents)} documents added)" if documents else "reused from an earlier run"
