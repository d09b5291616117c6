"""A local index moves to an engine elsewhere: into a new collection, which then takes the old one's place.

Whoever searches meanwhile sees the old collection to the last document, then the new one. A
checkpoint says how far the load came, so that an interrupted one goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from shortlist.errors import CorruptIndexError, InputError, StoreError
from shortlist.retrieval.documents import IDENTITY
from shortlist.retrieval.index import Index
from shortlist.retrieval.remote.connect import Address
from shortlist.retrieval.remote.engine import Collection, Retrying, Server, Spread
from shortlist.retrieval.remote.points import Layout, point_of
from shortlist.retrieval.remote.terms import Analyzer, Statistics

GRAPH_FROM = 200_000
"""Documents from which an engine elsewhere is told to build an HNSW graph: it has no codes to compare first."""

_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a load came: everything of an index at a `revision` up to and with `point` is in `collection`."""

    address: str
    collection: str
    revision: int
    point: int = 0
    documents: int = 0
    identity: str = ""


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push did. `resumed_at` counts the documents that an interrupted one had brought there already."""

    address: str
    collection: str
    documents: int
    resumed_at: int
    replaced: str


def push(
    index: Index,
    server: Server,
    address: Address,
    *,
    spread: Spread | None = None,
    checkpoint: Path | None = None,
    keep_old: bool = False,
    retrying: Retrying | None = None,
    watch: Callable[[int, int], None] = lambda done, total: None,
) -> Pushed:
    """Copy an index into a new collection, and let the address's name stand for it.

    `index` is one that was opened with `read_only`: it must not change meanwhile. The
    collection that the name stood for is dropped unless `keep_old`. From `GRAPH_FROM`
    documents on, vectors are searched through an HNSW graph. `checkpoint` is a file (default: in the
    index's folder); it is removed at the end. `watch` is told how many documents are there, and of how many.
    Raises InputError when the name belongs to a collection that is no alias, RemoteError, StoreError
    when what arrived is not what was sent.
    """
    again, file = retrying or Retrying(), checkpoint or index.path / f"push-{address.engine}-{address.name}.json"
    if again(lambda: server.has(address.name))[0]:
        raise InputError(
            f"{address} is a collection, not an alias, and is left as it is; drop it or push under another name"
        )
    before, analyzer = again(lambda: server.behind(address.name))[0], Analyzer()
    state = _resumed(index, server, address, file, again)
    resumed_at = state.documents
    if state.point == 0:
        statistics = Statistics.of(analyzer.counts(row.document.full_text.strip()) for row in index.rows())
        layout = Layout(index.manifest, statistics.average_length, index.count() >= GRAPH_FROM)
        collection, _ = again(lambda: _made(server, state.collection, layout, statistics, spread or Spread()))
        _write(file, state)
    else:
        collection, _ = again(lambda: server.open(state.collection))
    state = _load(index, collection, state, file, again, analyzer, watch)
    again(lambda: server.finish(state.collection))
    _check(index, collection, file, again)
    again(lambda: server.point(address.name, state.collection))
    file.unlink(missing_ok=True)  # done: from here on the checkpoint would name a collection that is in use
    if before is not None and before != state.collection and not keep_old:
        again(lambda: server.drop(before))
    return Pushed(str(address), state.collection, state.documents, resumed_at, before or "")


def _made(server: Server, name: str, layout: Layout, statistics: Statistics, spread: Spread) -> Collection:
    if server.has(name):  # of an attempt that was cut off
        server.drop(name)
    return server.create(name, layout, statistics, spread)


def _load(
    index: Index,
    collection: Collection,
    state: Checkpoint,
    file: Path,
    again: Retrying,
    analyzer: Analyzer,
    watch: Callable[[int, int], None],
) -> Checkpoint:
    total, length = index.count(), collection.layout.average_length
    watch(state.documents, total)
    for rows in index.row_batches(after=state.point, at_once=_AT_ONCE):
        points = [
            point_of(row.document, row.vector, order=row.point, analyzer=analyzer, average_length=length)
            for row in rows
        ]
        again(lambda points=points: collection.write(points))  # type: ignore[misc]
        state = replace(state, point=rows[-1].point, documents=state.documents + len(rows))
        _write(file, state)
        watch(state.documents, total)
    return state


def _resumed(index: Index, server: Server, address: Address, file: Path, again: Retrying) -> Checkpoint:
    """Return the checkpoint to go on from: the file's when it is of this index as it is now, else a new one."""
    name, identity = f"{address.name}_{index.revision}_{index.count()}", index.note(IDENTITY)
    fresh = Checkpoint(str(address), name, index.revision, identity=identity)
    in_use = again(lambda: server.behind(address.name))[0]
    if in_use == fresh.collection:
        fresh = replace(fresh, collection=f"{fresh.collection}_b")
    try:
        old = Checkpoint(**json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return fresh
    except (ValueError, TypeError, OSError) as error:
        raise CorruptIndexError(f"the checkpoint {file} cannot be read ({error}); delete it to begin anew") from error
    is_there = old.address == fresh.address and again(lambda: server.has(old.collection))[0]
    if is_there and (old.identity, old.revision) == (fresh.identity, fresh.revision):
        return old
    if is_there and old.collection != in_use:  # the index has changed or was made anew: that is of no use any more
        again(lambda: server.drop(old.collection))
    return fresh


def _check(index: Index, collection: Collection, file: Path, again: Retrying) -> None:
    arrived, sent = again(collection.count)[0], index.count()
    if arrived != sent:
        file.unlink(missing_ok=True)
        raise StoreError(
            f"{collection.name} holds {arrived} documents, but {sent} were sent; the name still stands for what it"
            " stood for. Push again, which begins anew"
        )


def _write(file: Path, state: Checkpoint) -> None:
    new = file.with_suffix(".new")
    try:
        new.write_text(json.dumps(asdict(state)), encoding="utf-8")
        new.replace(file)
    except OSError as error:
        raise StoreError(f"cannot write the checkpoint {file}: {error}; name another file for it") from error
