"""Making and opening an index's folder: who may, with what, and in what state."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from shortlist.errors import (
    IndexLockedError,
    IndexMismatchError,
    IndexNotFoundError,
    InputError,
    ReadOnlyIndexError,
    StorageFullError,
    StoreError,
)
from shortlist.protocols import Encoder
from shortlist.retrieval.documents import SCHEMA_VERSION, DocumentStore, Manifest
from shortlist.retrieval.edge import ANALYZER, Shard, folder_bytes
from shortlist.retrieval.locks import ProcessLock
from shortlist.retrieval.recovery import Seal, copy_shard, load_or_make, repair

_DOCUMENTS = "documents.sqlite"
_COPY_PREFIX = "shortlist-reader-"
_COPY_TIMEOUT_S = 60.0


@dataclass(slots=True)
class Opened:
    """An open index: its store and its shard, the locks it holds, and what must be done when it closes.

    Whoever leaves the shard in an uncertain state adds a word to `doubts`: then closing
    does not seal it, and the next writer compares it with the store.
    """

    path: Path
    manifest: Manifest
    store: DocumentStore
    shard: Shard
    shard_lock: ProcessLock
    next_point: int
    recovery: str
    is_writer: bool
    doubts: list[str]
    cleanup: contextlib.ExitStack = field(repr=False)

    def close(self) -> None:
        """Close everything, in reverse order of opening; a writer's shard is sealed."""
        self.cleanup.close()


def create_index(path: Path, encoder: Encoder | None) -> Opened:
    """Make an empty index and open it for writing."""
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file; an index needs a folder of its own")
    manifest = Manifest(
        encoder=encoder.fingerprint if encoder else "",
        dimension=encoder.dimension if encoder else 0,
        analyzer=ANALYZER,
        created_by=_version(),
    )
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make the folder {path}: {error}") from error
    lock = _writer_lock(path)
    try:
        if _is_made(path):
            raise InputError(f"{path} already holds an index; open it with Index.open, or delete the folder first")
        shutil.rmtree(path / "shard", ignore_errors=True)
        DocumentStore.create(path / _DOCUMENTS, manifest).close()
    finally:
        lock.release()
    return open_writer(path, encoder)


def open_writer(path: Path, encoder: Encoder | None) -> Opened:
    """Open an index for writing, in place; bring the shard in line with the store first."""
    _check_made(path)
    with contextlib.ExitStack() as undo:
        undo.callback(_writer_lock(path).release)
        undo.callback((path / "writer.pid").unlink, missing_ok=True)
        store = DocumentStore.open(path / _DOCUMENTS)
        undo.callback(store.close)
        manifest = _checked_manifest(store, path, encoder)
        shard_lock, seal = ProcessLock(path / "shard.lock"), Seal(path / "shard.seal")
        doubts = ["not compared with the store yet"]
        with shard_lock.held("exclusive", timeout_s=_COPY_TIMEOUT_S):
            is_sealed = seal.check(path / "shard", revision=store.revision())
            seal.remove()
            shard, remark = load_or_make(path / "shard", dimension=manifest.dimension, is_sealed=is_sealed)
            undo.callback(_seal, seal, shard, store, path / "shard", doubts, shard_lock)
            next_point = _next_point(store, shard, is_sealed=is_sealed)
            recovery = "" if is_sealed else _repaired(shard, store, remark)
            doubts.clear()
        return Opened(path, manifest, store, shard, shard_lock, next_point, recovery, True, doubts, undo.pop_all())


def open_reader(path: Path, encoder: Encoder | None) -> Opened:
    """Open a private copy of the shard beside the shared documents; nothing in the index's folder is changed."""
    _check_made(path)
    with contextlib.ExitStack() as undo:
        store = DocumentStore.open(path / _DOCUMENTS, read_only=True)
        undo.callback(store.close)
        manifest = _checked_manifest(store, path, encoder)
        shard_lock, seal = ProcessLock(path / "shard.lock"), Seal(path / "shard.seal")
        copy = _private_folder(undo)
        try:
            with shard_lock.held("shared", timeout_s=_COPY_TIMEOUT_S):
                is_sealed = seal.check(path / "shard", revision=store.revision())
                if (path / "shard").exists():
                    _check_room(path / "shard", copy)
                    copy_shard(path / "shard", copy / "shard")
        except IndexLockedError as error:
            message = f"{path} is being rewritten by {_writer(path)}; try again when it is done"
            raise IndexLockedError(message) from error
        shard, remark = load_or_make(copy / "shard", dimension=manifest.dimension, is_sealed=is_sealed)
        undo.callback(shard.close)
        # an open writer leaves no seal: what it has not flushed yet is taken from the store
        recovery = "" if is_sealed else _repaired(shard, store, remark)
        return Opened(path, manifest, store, shard, shard_lock, 0, recovery, False, [], undo.pop_all())


def rebuild_index(path: Path) -> int:
    """Throw the shard away and make it again from the store; return the number of documents."""
    _check_made(path)
    lock = _writer_lock(path)
    try:
        with ProcessLock(path / "shard.lock").held("exclusive", timeout_s=_COPY_TIMEOUT_S):
            Seal(path / "shard.seal").remove()
            shutil.rmtree(path / "shard", ignore_errors=True)
    finally:
        lock.release()
    opened = open_writer(path, None)
    try:
        return opened.store.count()
    finally:
        opened.close()


def _version() -> str:
    try:
        return f"shortlist {metadata.version('shortlist')}"
    except metadata.PackageNotFoundError:
        return "shortlist, run from its source"


def _is_made(path: Path) -> bool:
    if not (path / _DOCUMENTS).exists():
        return False
    try:
        DocumentStore.open(path / _DOCUMENTS).close()
    except IndexNotFoundError:  # making one was interrupted: what is there may be made over
        return False
    return True


def _check_made(path: Path) -> None:
    if not (path / _DOCUMENTS).is_file():
        hint = "" if path.exists() else ", nor a folder of that name: check the spelling, or"
        here = Path.cwd()
        named = path.relative_to(here) if path.is_relative_to(here) else path
        if inner := next(path.glob(f"*/{_DOCUMENTS}"), None):
            raise IndexNotFoundError(f"there is no index in {named}, but one in {named / inner.parent.name}: name that")
        raise IndexNotFoundError(f"there is no index in {named}{hint or ';'} make one with `shortlist index`")


def _writer_lock(path: Path) -> ProcessLock:
    lock, pid = ProcessLock(path / "writer.lock"), path / "writer.pid"
    try:
        lock.acquire("exclusive")
    except IndexLockedError as error:
        raise IndexLockedError(
            f"{path} is open for writing by {_writer(path)}; wait until it is done, or open it read-only"
        ) from error
    try:
        pid.write_text(str(os.getpid()), encoding="ascii")
    except OSError as error:
        lock.release()
        raise ReadOnlyIndexError(f"cannot write to {path}: {error}; it can only be opened read-only") from error
    return lock


def _writer(path: Path) -> str:
    try:
        return f"process {int((path / 'writer.pid').read_text(encoding='ascii'))}"
    except (OSError, ValueError):
        return "another process"


def _checked_manifest(store: DocumentStore, path: Path, encoder: Encoder | None) -> Manifest:
    manifest = store.manifest()
    again = "index the documents again into a new folder"
    if manifest.schema != SCHEMA_VERSION:
        raise IndexMismatchError(
            f"{path} has schema version {manifest.schema} (made by {manifest.created_by}), but this version of"
            f" shortlist reads {SCHEMA_VERSION}; use the version that made it, or {again}"
        )
    if manifest.analyzer != ANALYZER:
        raise IndexMismatchError(
            f"{path} reads words by {manifest.analyzer!r}, but this version of shortlist by {ANALYZER!r};"
            f" use the version that made it ({manifest.created_by}), or {again}"
        )
    if encoder is not None and (encoder.fingerprint, encoder.dimension) != (manifest.encoder, manifest.dimension):
        raise IndexMismatchError(
            f"{path} was made with the encoder {manifest.encoder or 'none'!r} ({manifest.dimension} numbers), but"
            f" {encoder.fingerprint!r} ({encoder.dimension}) was given; open it with the first, or {again}"
        )
    return manifest


def _next_point(store: DocumentStore, shard: Shard, *, is_sealed: bool) -> int:
    # a crash can leave points above all that were committed; their ids must not be used again
    # either, since a reader's copy may hold them
    highest = 0 if is_sealed else max(shard.points().tolist(), default=0)
    return max(store.next_point(), highest + 1)


def _repaired(shard: Shard, store: DocumentStore, remark: str) -> str:
    added, removed = repair(shard, store)
    if not (added or removed or (remark and store.count())):
        return ""
    return (
        f"{remark or 'the last writer did not close the index'}: {added} documents were taken from the"
        f" store and {removed} uncommitted points removed"
    )


def _seal(
    seal: Seal, shard: Shard, store: DocumentStore, folder: Path, doubts: Sequence[str], shard_lock: ProcessLock
) -> None:
    with contextlib.ExitStack() as held:
        with contextlib.suppress(StoreError):  # an index that cannot be locked any more is closed all the same
            held.enter_context(shard_lock.held("exclusive", timeout_s=_COPY_TIMEOUT_S))
        shard.close()  # files come and go once more: no reader may be copying them
        if doubts:
            return
        # unsealed is safe: the next one to open it compares it with the store
        with contextlib.suppress(OSError, StoreError):
            seal.write(folder, revision=store.revision())


def _private_folder(undo: contextlib.ExitStack) -> Path:
    _sweep_copies()
    folder = Path(tempfile.mkdtemp(prefix=_COPY_PREFIX))
    undo.callback(shutil.rmtree, folder, ignore_errors=True)
    lock = ProcessLock(folder / "lock")
    lock.acquire("exclusive")
    undo.callback(lock.release)
    return folder


def _sweep_copies() -> None:
    """Remove the copies of readers that were killed: nobody holds their lock."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_COPY_PREFIX}*"):
        with contextlib.suppress(OSError, StoreError):
            if time.time() - folder.stat().st_mtime > 60 and (folder / "lock").exists():
                with ProcessLock(folder / "lock").held("exclusive"):
                    shutil.rmtree(folder, ignore_errors=True)


def _check_room(shard: Path, copy: Path) -> None:
    needed, free = folder_bytes(shard) + (64 << 20), shutil.disk_usage(copy).free
    if free < needed:
        raise StorageFullError(
            f"a reader's private copy in {copy} needs {needed >> 20} MB, and {free >> 20} MB are left there; set"
            " TMPDIR to a folder with more space"
        )
