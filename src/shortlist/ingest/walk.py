"""Finding files below folders, always in the same order."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shortlist.errors import InputError
from shortlist.ingest.events import FileSkipped, SkipReason
from shortlist.ingest.formats import BEIR, BEIR_GZ, PLAIN, Format, format_of
from shortlist.ingest.ignore import IgnoreRules

_SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__"})
_BEIR_CORPORA = {"corpus.jsonl": BEIR, "corpus.jsonl.gz": BEIR_GZ}
_BEIR_SIGNS = frozenset({"queries.jsonl", "queries.jsonl.gz", "qrels"})


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to read, with its size and time as it was found."""

    path: Path
    source: str
    format: Format
    size: int
    mtime_ns: int


def checked_paths(
    paths: Iterable[str | os.PathLike[str]], *, is_known: Callable[[Path], bool] = lambda path: False
) -> tuple[Path, ...]:
    """Return the paths, or raise InputError when there are none or one neither exists nor `is_known` from before.

    Links on the way to a path are followed, so that its files have one name whichever way it is reached by; what
    the path itself ends in is kept, link or not.
    """
    if isinstance(paths, str | os.PathLike):
        raise InputError(f"paths must be a list, not a single one; put it in a list: [{os.fspath(paths)!r}]")
    given = tuple(map(Path, paths))
    if not given:
        raise InputError("there is no path to read; name at least one file or folder")
    for path in given:
        if not os.path.lexists(path) and not is_known(_reached(path)):
            raise InputError(f"there is no file or folder {printable(path)!r}; check the spelling, or leave it out")
    return tuple(map(_reached, given))


def _reached(path: Path) -> Path:
    absolute = Path(os.path.abspath(path))
    return Path(os.path.realpath(absolute.parent)) / absolute.name


def printable(path: str | os.PathLike[str]) -> str:
    r"""Return a path with forward slashes; bytes that are no valid UTF-8 are written as \xe9."""
    return os.fsencode(Path(path).as_posix()).decode("utf-8", "backslashreplace")


def source_name(path: Path, base: Path) -> str:
    """Return the name of a path in an index: relative to `base`, absolute if outside; `base` itself is ''."""
    return _named(path, Path(os.path.realpath(base)))


def _named(path: Path, base: Path) -> str:
    absolute = Path(os.path.abspath(path))
    if not absolute.is_relative_to(base) and (real := Path(os.path.realpath(absolute))).is_relative_to(base):
        absolute = real
    inside = absolute.relative_to(base) if absolute.is_relative_to(base) else absolute
    return "" if absolute == base else printable(inside)


def walk(paths: Sequence[Path], *, base: Path, skip: Sequence[Path] = ()) -> Iterator[FoundFile | FileSkipped]:
    """Yield the files at and below the paths, sorted by name within each folder.

    Left out in silence: hidden files and folders, virtual environments, node_modules,
    __pycache__, what .gitignore files name, and the folders in `skip`. A path that is named
    itself is always taken. Links are followed, after everything else, unless what they
    lead to was found before. Of a BEIR folder only the corpus is taken. Files without a
    reader and folders that cannot be read are reported.
    """
    walker = _Walker(base, skip)
    for path in paths:
        yield from walker.named(path)
    yield from walker.linked()


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder yet to be read (or a link, to whatever), with the rules in force where it stands."""

    path: Path
    rules: IgnoreRules


class _Walker:
    def __init__(self, base: Path, skip: Sequence[Path]) -> None:
        self._base = Path(os.path.realpath(base))
        self._skip = {os.path.realpath(path) for path in skip}
        self._skip_names = set(map(os.path.basename, self._skip))
        self._seen: set[tuple[int, int]] = set()  # device and inode
        self._links: list[_Folder] = []

    def named(self, path: Path) -> Iterator[FoundFile | FileSkipped]:
        """Yield what is at a path that the caller named."""
        rules = IgnoreRules.above(Path(os.path.abspath(path)))
        if os.path.isdir(path):
            yield from self._below(_Folder(path, rules))
        elif os.path.lexists(path):
            yield from self._file(path, _beir_format(path) or format_of(path.name) or PLAIN)

    def linked(self) -> Iterator[FoundFile | FileSkipped]:
        """Yield what the links lead to that were met on the way."""
        while self._links:
            link = self._links.pop(0)
            if os.path.isdir(link.path):
                yield from self._below(link)
            else:
                yield from self._file(link.path, format_of(link.path.name))

    def _below(self, folder: _Folder) -> Iterator[FoundFile | FileSkipped]:
        # a stack of our own: folders may be nested deeper than Python's calls
        stack = [self._folder(folder.path, folder.rules)]
        while stack:
            item = next(stack[-1], None)
            if item is None:
                stack.pop()
            elif isinstance(item, _Folder):
                stack.append(self._folder(item.path, item.rules))
            else:
                yield item

    def _folder(self, path: Path, rules: IgnoreRules) -> Iterator[FoundFile | FileSkipped | _Folder]:
        """Yield the files of a folder and the folders in it; links are put off."""
        try:
            if self._is_seen(path.stat()):
                return
            names = sorted(os.listdir(path))
        except OSError as error:
            yield skipped(_named(path, self._base), error)
            return
        rules = rules.within(path) if ".gitignore" in names else rules
        if "pyvenv.cfg" in names:
            return
        if corpus := _beir_corpus(names):
            yield from self._beir(path, names, corpus)
            return
        for name in names:
            yield from self._entry(path / name, rules)

    def _entry(self, path: Path, rules: IgnoreRules) -> Iterator[FoundFile | FileSkipped | _Folder]:
        is_folder = os.path.isdir(path)
        if path.name.startswith(".") or rules.ignores(path, is_folder=is_folder):
            return
        if is_folder and path.name in _SKIPPED_FOLDERS:
            return
        is_link = os.path.islink(path)
        if (is_link or path.name in self._skip_names) and os.path.realpath(path) in self._skip:
            return
        if is_link:
            self._links.append(_Folder(path, rules))
        elif is_folder:
            yield _Folder(path, rules)
        else:
            yield from self._file(path, format_of(path.name))

    def _beir(self, path: Path, names: list[str], corpus: str) -> Iterator[FoundFile | FileSkipped]:
        yield from self._file(path / corpus, _BEIR_CORPORA[corpus])
        for name in names:
            if name != corpus:
                detail = f"belongs to a BEIR folder, of which only {corpus} is read; name it itself to read it"
                yield FileSkipped(_named(path / name, self._base), SkipReason.NOT_DOCUMENTS, detail)

    def _file(self, path: Path, format: Format | None) -> Iterator[FoundFile | FileSkipped]:
        source = _named(path, self._base)
        try:
            found = path.stat()
        except OSError as error:  # also of a folder whose path is too long for the system
            yield skipped(source, error)
            return
        if not stat.S_ISREG(found.st_mode):
            yield FileSkipped(source, SkipReason.UNREADABLE, "no regular file (a device, a pipe or a socket)")
        elif format is None:
            detail = f"no reader for {path.suffix or 'files without a suffix'}; name the file itself to read it as text"
            yield FileSkipped(source, SkipReason.UNKNOWN_FORMAT, detail)
        elif not self._is_seen(found):
            yield FoundFile(path, source, format, found.st_size, found.st_mtime_ns)

    def _is_seen(self, found: os.stat_result) -> bool:
        """Remember a file or folder and tell whether it was there before."""
        identity = (found.st_dev, found.st_ino)
        is_seen = identity in self._seen
        self._seen.add(identity)
        return is_seen


def skipped(source: str, error: OSError) -> FileSkipped:
    """Return the event for a file or folder that the system refuses to read."""
    reason = SkipReason.VANISHED if isinstance(error, FileNotFoundError) else SkipReason.UNREADABLE
    return FileSkipped(source, reason, error.strerror or str(error))


def _beir_corpus(names: Sequence[str]) -> str:
    """Return the name of the corpus if these are the names in a BEIR folder."""
    is_beir = not _BEIR_SIGNS.isdisjoint(names)
    return next((name for name in _BEIR_CORPORA if name in names), "") if is_beir else ""


def _beir_format(path: Path) -> Format | None:
    """Return the corpus format for a corpus that was named itself."""
    is_beir = path.name in _BEIR_CORPORA and any((path.parent / sign).exists() for sign in _BEIR_SIGNS)
    return _BEIR_CORPORA[path.name] if is_beir else None
