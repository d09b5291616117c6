"""Where an index lives when nobody says so."""

from __future__ import annotations

from pathlib import Path

INDEX_FOLDER = ".shortlist"


def default_index(path: Path) -> Path:
    """Return the index folder of a file or folder: `.shortlist` inside the folder."""
    return (path if path.is_dir() else path.parent) / INDEX_FOLDER


def is_index(path: Path) -> bool:
    """Tell whether there is an index in a folder."""
    return (path / "documents.sqlite").is_file()
