"""What happens while files are read, as values for whoever writes them into an index."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from shortlist.types import Document


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What tells whether a file has changed since it was read, and whether it was read to its end.

    `recipe` names the choices it was read with. `parts` is 0 for a file that was read to
    its end, else the number of parts (see FileRead) that were read so far. `sha256` is
    empty for a file that changed while it was read; such a file is read again. `gave_way_to`
    are the sources that have ids which rows of this file bring too; a run that sees one of
    them change or go reads this file again, if it sees it too.
    """

    size: int
    mtime_ns: int
    sha256: str
    recipe: str = ""
    parts: int = 0
    gave_way_to: tuple[str, ...] = ()

    def has_content_of(self, other: Fingerprint) -> bool:
        """Tell whether the same documents would come of both, whatever the file's time."""
        return bool(self.sha256) and (self.sha256, self.recipe) == (other.sha256, other.recipe)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a file that could not be used as it is; the rest of the file was read. Line 0 is all of it."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}" if self.line else self.message


class SkipReason(str, Enum):
    """Why a file or folder was passed over."""

    UNKNOWN_FORMAT = "unknown format"
    BINARY = "binary"
    BROKEN = "broken"
    UNREADABLE = "unreadable"
    VANISHED = "vanished"
    MISSING_EXTRA = "missing extra"
    NOT_DOCUMENTS = "not documents"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run has to do, as sources. Files in `touched` are read only if their content differs."""

    added: tuple[str, ...] = ()
    touched: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FilesFound:
    """All files are listed; comes before any of them is read."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class FileRead:
    """A file, or a part of a large one, was read; `part` counts from 1.

    To commit: drop what the index has of this source if `replaces`, add the documents, and
    remember `fingerprint` as what is known of the source, all in one commit. Then an
    interrupted run goes on after the last committed part, without duplicates.
    `problem_count` may be larger than the number of `problems`, of which only the first are kept.
    """

    source: str
    fingerprint: Fingerprint
    documents: tuple[Document, ...]
    part: int = 1
    problems: tuple[Problem, ...] = ()
    problem_count: int = 0

    @property
    def replaces(self) -> bool:
        """Tell whether everything that the index has of this source is out of date."""
        return self.part == 1

    @property
    def is_last(self) -> bool:
        """Tell whether the file is read to its end with this part."""
        return self.fingerprint.parts == 0


@dataclass(frozen=True, slots=True)
class FileSkipped:
    """A file or folder was passed over; what the index knows of it stays as it is."""

    source: str
    reason: SkipReason
    detail: str


@dataclass(frozen=True, slots=True)
class FileUnchanged:
    """A file has the content that is known; remember `fingerprint`, whose time may be newer."""

    source: str
    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True)
class FileRemoved:
    """A known file is gone from the folders that were searched; drop its documents."""

    source: str


Event = FilesFound | FileRead | FileSkipped | FileUnchanged | FileRemoved
