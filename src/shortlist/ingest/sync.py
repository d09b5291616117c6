"""Bringing an index up to date with files: one event for whatever happens to each."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from shortlist.errors import InputError, MissingExtraError
from shortlist.ingest.decode import is_binary
from shortlist.ingest.events import (
    Event,
    FileRead,
    FileRemoved,
    FilesFound,
    FileSkipped,
    FileUnchanged,
    Fingerprint,
    Problem,
    SkipReason,
)
from shortlist.ingest.plan import is_below, plan
from shortlist.ingest.recipe import DEFAULT_RECIPE, Recipe
from shortlist.ingest.source import Owner, Reader, SourceFile, fingerprint, nobody
from shortlist.ingest.walk import FoundFile, checked_paths, skipped, source_name, walk
from shortlist.types import Document

PART = 1000  # documents; what is committed at once and what an interrupted run loses at most
_MAX_PROBLEMS = 20  # kept of each part; the rest is counted


def ingest(
    paths: Iterable[str | os.PathLike[str]],
    known: Mapping[str, Fingerprint],
    *,
    base: str | os.PathLike[str] = ".",
    recipe: Recipe = DEFAULT_RECIPE,
    skip: Iterable[str | os.PathLike[str]] = (),
    owner: Owner = nobody,
) -> Iterator[Event]:
    """Read what is new or changed at `paths` against what is `known` of each source.

    Sources are paths relative to `base`. Yields what was passed over while searching, then
    FilesFound, then one event a file (a large one: several FileRead), then FileRemoved, then
    FileRead once more for files with rows that gave way to a source which has changed or gone
    since. `owner` tells whose an id is in the index as it stands. Files are read as the
    iterator advances, so whatever was committed stays valid when it is abandoned. A path that is gone, with what is
    known at or below it, is removed. Raises InputError at once when there is nothing of a path here or there; a file
    that cannot be read is an event, never an error.
    """

    def is_known(path: Path) -> bool:
        name = source_name(path, Path(base))
        return any(is_below(source, [name]) for source in known)

    roots = checked_paths(paths, is_known=is_known)
    return _events(roots, known, Path(base), recipe, tuple(Path(path) for path in skip), owner)


def _events(
    roots: tuple[Path, ...],
    known: Mapping[str, Fingerprint],
    base: Path,
    recipe: Recipe,
    skip: tuple[Path, ...],
    owner: Owner,
) -> Iterator[Event]:
    found: list[FoundFile] = []
    held: list[str] = []
    for item in walk(roots, base=base, skip=skip):
        if isinstance(item, FileSkipped):
            held.append(item.source)
            yield item
        else:
            found.append(item)
    names = [source_name(root, base) for root in roots]
    todo = plan(found, known, roots=names, held=held, recipe=recipe.fingerprint)
    yield FilesFound(todo)
    unchanged, removed = frozenset(todo.unchanged), frozenset(todo.removed)

    def staying_owner(doc_id: str) -> str | None:
        found = owner(doc_id)
        return None if found in removed else found  # a file that was renamed keeps its ids

    gave_way = {file.source: known[file.source].gave_way_to for file in found if file.source in known}
    turns: dict[str, int] = {}  # when each source was read
    taken_from: set[str] = set()  # sources with rows of ids that passages of a file read after them bring
    here = {file.source for file in found}
    unread: set[str] = set()
    for file in found:
        if file.source in unchanged:
            yield FileUnchanged(file.source, known[file.source])
            continue
        for event in read(file, known.get(file.source), recipe, staying_owner):
            if isinstance(event, FileRead):
                turns[file.source], gave_way[file.source] = len(turns), event.fingerprint.gave_way_to
                losers = {staying_owner(document.doc_id) or file.source for document in event.documents}
                taken_from |= losers - {file.source}
                event = _telling(event, sorted(losers - here))
            elif isinstance(event, FileSkipped):
                unread.add(file.source)
            yield event
    yield from map(FileRemoved, todo.removed)
    turns |= dict.fromkeys(todo.removed, len(turns))
    for file in found:
        turn = turns.get(file.source, -1)
        is_free_now = any(turns.get(other, -1) > turn for other in gave_way.get(file.source, ()))
        if is_free_now or (file.source in taken_from and file.source not in unread):
            yield from read(file, None, recipe, owner)


def _telling(event: FileRead, losers: Sequence[str]) -> FileRead:
    """Say whose rows were replaced, of files that this run does not read."""
    told = [
        Problem(0, f"passages replaced rows of {one}, which had the same ids; give these rows others") for one in losers
    ]
    return replace(event, problems=(*event.problems, *told), problem_count=event.problem_count + len(told))


def read(
    file: FoundFile, known: Fingerprint | None = None, recipe: Recipe = DEFAULT_RECIPE, owner: Owner = nobody
) -> Iterator[Event]:
    """Yield the events of one file: unchanged, skipped, or its parts that are not known yet."""
    source = SourceFile(file.path, file.source, recipe, owner)
    try:
        if file.format.is_text and is_binary(file.path):  # before all of it is read: videos are named .ts, too
            yield FileSkipped(file.source, SkipReason.BINARY, "binary content (it holds NUL bytes); not read as text")
            return
        current = fingerprint(source)
        is_known = known is not None and known.has_content_of(current)
        if known is not None and is_known and known.parts == 0:
            yield FileUnchanged(file.source, replace(current, gave_way_to=known.gave_way_to))
        else:
            yield from _parts(source, file.format.load(), current, known.parts if known is not None and is_known else 0)
    except MissingExtraError as error:
        yield FileSkipped(file.source, SkipReason.MISSING_EXTRA, str(error))
    except InputError as error:
        yield FileSkipped(file.source, SkipReason.BROKEN, str(error))
    except OSError as error:
        yield skipped(file.source, error)


def _parts(source: SourceFile, reader: Reader, current: Fingerprint, done: int) -> Iterator[FileRead]:
    """Yield the parts after the first `done`; each but the last has PART documents."""
    part = _Part(source, current)
    for item in reader(source):
        if isinstance(item, Problem):
            part.note(item)
            continue
        if len(part.documents) == PART:
            if part.number > done:
                yield part.event(is_last=False)
            part = part.following()
        part.documents.append(item)
    if part.number == 1 and not part.documents:
        part.note(Problem(0, "there is no text in it"))
    if _is_changed(source, current):
        part.note(Problem(0, "changed while it was read; the next run reads it again"))
        part.fingerprint = replace(current, sha256="")
    yield part.event(is_last=True)


class _Part:
    """What was read since the last event."""

    def __init__(self, source: SourceFile, fingerprint: Fingerprint, number: int = 1) -> None:
        self.source = source
        self.fingerprint = fingerprint
        self.number = number
        self.documents: list[Document] = []
        self._problems: list[Problem] = []
        self._problem_count = 0

    def note(self, problem: Problem) -> None:
        self._problem_count += 1
        if len(self._problems) < _MAX_PROBLEMS:
            self._problems.append(problem)

    def following(self) -> _Part:
        return _Part(self.source, self.fingerprint, self.number + 1)

    def event(self, *, is_last: bool) -> FileRead:
        gave_way_to = tuple(sorted(self.source.gave_way_to))
        return FileRead(
            self.source.source,
            replace(self.fingerprint, parts=0 if is_last else self.number, gave_way_to=gave_way_to),
            tuple(self.documents),
            self.number,
            tuple(self._problems),
            self._problem_count,
        )


def _is_changed(source: SourceFile, current: Fingerprint) -> bool:
    try:
        now = source.path.stat()
    except FileNotFoundError:
        return True
    return (now.st_size, now.st_mtime_ns) != (current.size, current.mtime_ns)
