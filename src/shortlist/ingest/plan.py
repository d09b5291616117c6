"""What has to be read, as a function of what is known and what was found."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from shortlist.ingest.events import Fingerprint, Plan
from shortlist.ingest.walk import FoundFile


def plan(
    found: Sequence[FoundFile],
    known: Mapping[str, Fingerprint],
    *,
    roots: Iterable[str],
    held: Iterable[str] = (),
    recipe: str = "",
) -> Plan:
    """Compare the found files with the known ones, by size and time.

    Only sources at or below `roots` can be removed: what was indexed from elsewhere stays,
    and so does what is at or below `held`, the places that could not be looked at.
    """
    added = tuple(file.source for file in found if file.source not in known)
    present = [file for file in found if file.source in known]
    is_unchanged = {file.source: _is_unchanged(file, known[file.source], recipe) for file in present}
    unchanged = tuple(source for source, is_same in is_unchanged.items() if is_same)
    touched = tuple(source for source, is_same in is_unchanged.items() if not is_same)
    gone = known.keys() - {file.source for file in found}
    searched, kept = _folders(roots), _folders(held)  # sets: there may be as many of one as of the other
    removed = tuple(sorted(s for s in gone if _is_below(s, searched) and not _is_below(s, kept)))
    return Plan(added, touched, unchanged, removed)


def is_below(source: str, roots: Iterable[str]) -> bool:
    """Tell whether a source is one of the roots or lies below one; '' is the root of all relative sources."""
    return _is_below(source, _folders(roots))


def _is_below(source: str, folders: frozenset[str]) -> bool:
    return not folders.isdisjoint(_above(source))


def _folders(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name and name.rstrip("/") + "/" for name in names)


def _above(source: str) -> Iterator[str]:
    """Yield the source and what it lies below, as `_folders` has them."""
    is_absolute = source.startswith("/") or source[1:3] == ":/"
    if not is_absolute:
        yield ""
    inside = source.rstrip("/") + "/"
    yield from (inside[: slash.end()] for slash in re.finditer("/", inside))


def _is_unchanged(file: FoundFile, known: Fingerprint, recipe: str) -> bool:
    is_same = (file.size, file.mtime_ns, recipe) == (known.size, known.mtime_ns, known.recipe)
    return is_same and known.parts == 0 and bool(known.sha256)
