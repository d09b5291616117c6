"""A shard that agrees with the document store: sealed after a clean close, repaired after any other end."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shortlist.errors import CorruptIndexError
from shortlist.retrieval.documents import DocumentStore
from shortlist.retrieval.edge import Entry, Shard
from shortlist.retrieval.filters import facets
from shortlist.retrieval.rows import Row

_AT_ONCE = 1000
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Seal:
    """What a cleanly closed shard looked like: the store's revision, and the size of every file.

    The engine does not notice every damage: of a shard's 53 files, each cut in half in turn,
    it read 32 without complaint, among them vectors, postings and texts. So sizes are
    checked before it may read.
    """

    path: Path

    def write(self, shard: Path, *, revision: int) -> None:
        """Seal a closed shard."""
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps({"revision": revision, "sizes": _sizes(shard)}), encoding="utf-8")
        new.replace(self.path)

    def remove(self) -> None:
        """Break the seal, before the shard is opened for writing."""
        self.path.unlink(missing_ok=True)

    def check(self, shard: Path, *, revision: int) -> bool:
        """Return whether the shard is sealed at this revision; False when it was not closed cleanly.

        Raises CorruptIndexError when files changed since it was sealed.
        """
        try:
            sealed = json.loads(self.path.read_text(encoding="utf-8"))
            then, at = dict(sealed["sizes"]), int(sealed["revision"])
        except FileNotFoundError:
            return False
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptIndexError(f"{self.path} is damaged ({error}); {_advice(shard)}") from error
        now = _sizes(shard)
        for name in sorted({*then, *now}):
            if then.get(name) != now.get(name):
                raise CorruptIndexError(
                    f"{shard / name} has {now.get(name, 'no')} bytes instead of {then.get(name, 'none')};"
                    f" {_advice(shard)}"
                )
        return at == revision


def entry_of(row: Row) -> Entry:
    """Return what the engine stores of a row."""
    vector = None if row.vector is None else row.vector.astype(np.float32)
    path = row.document.place.path if row.document.place else None
    return Entry(row.point, row.document.full_text.strip(), vector, facets(row.document.metadata, path=path))


def load_or_make(path: Path, *, dimension: int, is_sealed: bool) -> tuple[Shard, str]:
    """Open a shard; make an empty one when an interrupted process left it unreadable. Also say what was done.

    Raises CorruptIndexError when a sealed shard cannot be read.
    """
    if not is_sealed and not path.exists():
        return Shard.create(path, dimension=dimension), "the search engine's files were missing"
    try:
        return Shard.load(path, dimension=dimension), ""
    except CorruptIndexError as error:
        if is_sealed:
            raise CorruptIndexError(f"{error}; {_advice(path)}") from error
        shutil.rmtree(path)
        return Shard.create(path, dimension=dimension), "the search engine's files were unreadable"


def repair(shard: Shard, store: DocumentStore) -> tuple[int, int]:
    """Make the shard hold the store's points and no others. Return how many were added and removed.

    Files that were copied while a writer had them open can hold points without their vectors or twice: then all
    is made anew.
    """
    wanted, there = store.points(), shard.points()
    orphans = np.setdiff1d(there, wanted)
    missing = np.setdiff1d(wanted, there, assume_unique=True)
    shard.delete(orphans.tolist())
    _add(missing, shard, store)
    if not shard.holds(len(wanted), vectors=store.vectors()):
        missing = wanted
        shard.clear()
        _add(missing, shard, store)
    return len(missing), len(orphans)


def _add(points: npt.NDArray[np.int64], shard: Shard, store: DocumentStore) -> None:
    for start in range(0, len(points), _AT_ONCE):
        shard.upsert([entry_of(row) for row in store.rows(points[start : start + _AT_ONCE].tolist())])


def copy_shard(source: Path, target: Path) -> None:
    """Copy a shard's files, leaving blocks of zeros as holes: the engine preallocates tens of MB."""
    for path in sorted(source.rglob("*")):
        to = target / path.relative_to(source)
        if path.is_dir():
            to.mkdir(parents=True, exist_ok=True)
        else:
            to.parent.mkdir(parents=True, exist_ok=True)
            _copy_with_holes(path, to)


def _copy_with_holes(source: Path, target: Path) -> None:
    zeros = bytes(_BLOCK)
    with source.open("rb") as reading, target.open("wb") as writing:
        while block := reading.read(_BLOCK):
            if block == zeros[: len(block)]:
                writing.seek(len(block), 1)
            else:
                writing.write(block)
        writing.truncate(reading.tell())


def _sizes(shard: Path) -> dict[str, int]:
    if not shard.is_dir():
        raise CorruptIndexError(f"there is no search engine shard in {shard}; {_advice(shard)}")
    files = (path for path in shard.rglob("*") if path.is_file())
    return {path.relative_to(shard).as_posix(): path.stat().st_size for path in files}


def _advice(shard: Path) -> str:
    return f"the documents are safe: call Index.rebuild({str(shard.parent)!r}) to make the search files again"
