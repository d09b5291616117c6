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
from shortlist.build.collections import fill
from shortlist.inference.biencoder import BiEncoder
from shortlist.retrieval import Index


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
        history = _filled(index, collection)
        tell(f"{collection.name}: index of {index.count()} documents {history}")
        yield Indexed(index, history)


def _filled(index: Index, collection: Collection) -> str:
    began = time.monotonic()
    progress = Progress(f"{collection.name}: indexing", len(collection.documents), unit="documents")
    done = 0

    def watch(now: int, _: int) -> None:
        nonlocal done
        progress.step(now - done)
        done = now

    added = fill(index, collection.documents, filling=watch)
    took = time.monotonic() - began
    return f"built in {took:.0f} s ({added} documents added)" if added else "reused from an earlier run"
