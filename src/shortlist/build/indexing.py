"""Files into an index: read what changed, one file a commit."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from shortlist.build.models import load_encoder
from shortlist.errors import IndexNotFoundError, InputError, StorageFullError
from shortlist.inference.biencoder import BiEncoder
from shortlist.ingest import (
    Event,
    FileRead,
    FileRemoved,
    FileSkipped,
    FileUnchanged,
    Fingerprint,
    Recipe,
    RowFields,
    SkipReason,
    ingest,
)
from shortlist.ingest.plan import is_below
from shortlist.ingest.walk import checked_paths, printable, source_name
from shortlist.retrieval import Index, Source
from shortlist.retrieval.filters import PATH
from shortlist.settings import Settings

_FIELDS = "row_fields"  # the note in the index that holds them

Watch = Callable[[Event], None]


@dataclass(slots=True)
class IndexingReport:
    """What one run did. `passages` are in the index now.

    `skipped` are files that were passed over, `problems` what could not be used inside a file.
    """

    added: int = 0
    unchanged: int = 0
    removed: int = 0
    passages: int = 0
    skipped: tuple[FileSkipped, ...] = ()
    problems: tuple[str, ...] = ()
    recovery: str = ""


def index_paths(
    paths: Sequence[Path | str],
    index_path: Path | str,
    *,
    settings: Settings | None = None,
    base: Path | str | None = None,
    fields: RowFields | None = None,
    watch: Watch | None = None,
) -> IndexingReport:
    """Bring the index at `index_path` up to date with files and folders; it is made when there is none.

    Only new and changed files are read; what is gone from a path is removed, and a path that is gone with all that
    is known of it. Each file is one commit, so an interrupted run keeps
    what it did and the next one goes on from there. `base` is what sources are named
    relative to (default: the folder that `index_path` is in; a name must not depend on the
    current folder, or files would be indexed again under another one). `fields` names what
    holds text, title and id in JSONL and tables (default: what the last call that named them
    did, which the index remembers). `watch` sees every event, after its commit.
    """
    index_path = Path(index_path)
    if not index_path.exists():
        checked_paths(paths)  # a misspelt path must not leave an empty index behind
    named_from = index_path.absolute().parent if base is None else Path(base)
    report = IndexingReport()
    with closing(load_encoder(settings or Settings())) as encoder, _opened(index_path, encoder) as index:
        report.recovery = index.recovery
        recipe = Recipe(fields=fields or _remembered(index))
        known = {path: _fingerprint(source) for path, source in index.sources().items()}
        events = ingest(paths, known, base=named_from, skip=[index_path], recipe=recipe, owner=index.source_of)
        if fields is not None:  # noted now that the paths are known to be right
            index.write_note(_FIELDS, json.dumps(asdict(fields)))
        for event in events:
            event = _commit(index, event, report, known)
            if watch is not None:
                watch(event)
        report.problems += _gone_elsewhere(known, paths, named_from)
        report.passages = index.count()
        if index.needs_optimizing:
            _optimize(index, report)
    return report


def _gone_elsewhere(known: Mapping[str, Fingerprint], paths: Sequence[Path | str], base: Path) -> tuple[str, ...]:
    """Say how many files that are at none of the paths were read once and are gone; their passages are still found."""
    named = [source_name(path, base) for path in checked_paths(paths, is_known=lambda _: True)]
    gone = [
        base / source
        for source, fingerprint in known.items()
        if fingerprint.recipe and not _is_there(base / source) and not is_below(source, named)
    ]
    if not gone:
        return ()
    folder = gone[0]
    while not folder.parent.exists():
        folder = folder.parent
    return (
        f"{len(gone)} files that were indexed before are gone, and their passages are still found; where they were"
        f" moved or deleted, name their old place once more, and they go: {printable(folder)}",
    )


def _is_there(path: Path) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return "\\x" in str(path)  # `printable` bytes that are no UTF-8 cannot be looked for
    except OSError:
        return True  # in a folder that may not be entered, say
    return True


def _optimize(index: Index, report: IndexingReport) -> None:
    try:
        index.optimize()
    except StorageFullError as error:  # everything is committed, so the run did its work
        report.problems += (f"the index stays slower to open than it could be: {error}",)


def _opened(path: Path, encoder: BiEncoder) -> Index:
    try:
        return Index.open(path, encoder=encoder, tokenize=encoder.tokenize)
    except IndexNotFoundError:
        return Index.create(path, encoder=encoder, tokenize=encoder.tokenize)


def _remembered(index: Index) -> RowFields:
    """Return the fields that were noted in the index, else the usual ones."""
    if not (noted := index.note(_FIELDS)):
        return RowFields()
    found = json.loads(noted)
    return RowFields(found["text"], found["title"], tuple(found["doc_id"]))


def _commit(index: Index, event: Event, report: IndexingReport, known: Mapping[str, Fingerprint]) -> Event:
    """Write what an event says, and return it, or the event that a file was skipped where the index refuses it."""
    if isinstance(event, FileRead):
        if report.skipped and report.skipped[-1].source == event.source:  # an earlier part was refused
            return report.skipped[-1]
        source = _source(event.source, event.fingerprint)
        try:
            (index.replace_source if event.replaces else index.extend_source)(source, event.documents)
        except InputError as error:
            event = FileSkipped(event.source, SkipReason.BROKEN, str(error))
            return _commit(index, event, report, known)
        report.added += event.is_last
        report.problems += tuple(f"{event.source}: {problem}" for problem in event.problems)
        if event.problem_count > len(event.problems):
            report.problems += (f"{event.source}: and {event.problem_count - len(event.problems)} more",)
    elif isinstance(event, FileUnchanged):
        if event.fingerprint != known.get(event.source):  # only its time is new; most often nothing is
            index.extend_source(_source(event.source, event.fingerprint), ())
        report.unchanged += 1
    elif isinstance(event, FileRemoved):
        index.delete_source(event.source)
        report.removed += 1
    elif isinstance(event, FileSkipped):
        was_read = event.source in known or event.reason is SkipReason.BROKEN
        if was_read and index.count({PATH: event.source}):
            event = replace(event, detail=f"{event.detail}; its earlier passages stay in the index")
        report.skipped += (event,)
    return event


def _fingerprint(source: Source) -> Fingerprint:
    return Fingerprint(
        source.size, source.mtime_ns, source.sha256, source.recipe, source.parts, gave_way_to=source.gave_way_to
    )


def _source(path: str, fingerprint: Fingerprint) -> Source:
    return Source(
        path,
        fingerprint.size,
        fingerprint.mtime_ns,
        fingerprint.sha256,
        recipe=fingerprint.recipe,
        parts=fingerprint.parts,
        gave_way_to=fingerprint.gave_way_to,
    )
