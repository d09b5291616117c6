"""Folders and files become documents with their place.

`ingest` is the way in: it compares files with what an index knows of them and yields
events that say what to add, replace and remove.
"""

from shortlist.ingest.events import (
    Event,
    FileRead,
    FileRemoved,
    FilesFound,
    FileSkipped,
    FileUnchanged,
    Fingerprint,
    Plan,
    Problem,
    SkipReason,
)
from shortlist.ingest.recipe import Recipe, RowFields
from shortlist.ingest.sync import ingest

__all__ = [
    "Event",
    "FileRead",
    "FileRemoved",
    "FileSkipped",
    "FileUnchanged",
    "FilesFound",
    "Fingerprint",
    "Plan",
    "Problem",
    "Recipe",
    "RowFields",
    "SkipReason",
    "ingest",
]
