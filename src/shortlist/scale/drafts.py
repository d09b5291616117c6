"""Files that are written whole or not at all, by however many processes at once."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shortlist.errors import StorageFullError, StoreError


@contextmanager
def whole(file: Path) -> Iterator[Path]:
    """Give a draft to write, which then takes the file's place; raises as `drafted` does."""
    with drafted(file) as draft:
        yield draft
        try:
            with draft.open("rb") as stream:
                os.fsync(stream.fileno())
            draft.replace(file)
        except FileNotFoundError:
            if not file.exists():  # else another process wrote it, and found this draft needless
                raise


@contextmanager
def drafted(file: Path) -> Iterator[Path]:
    """Give a draft of a file to write, whose name no other process has; if it is still there at the end, it is removed.

    Raises as `translated` does.
    """
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}.new")
    with translated(file):
        try:
            yield draft
        finally:
            draft.unlink(missing_ok=True)


def remove_needless(folder: Path) -> None:
    """Remove what killed processes left of files that are there whole by now."""
    for draft in folder.glob(f".*.{'[0-9a-f]' * 8}.new"):
        if draft.with_name(draft.name[1:-13]).exists():
            draft.unlink(missing_ok=True)


@contextmanager
def translated(file: Path) -> Iterator[None]:
    """Raise StorageFullError, or StoreError with the reason, where a file cannot be written."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StorageFullError(
                f"the disk is full while writing {file}; free some space and run the job again: it goes on"
            ) from error
        raise StoreError(f"cannot write {file}: {error.strerror}") from error
