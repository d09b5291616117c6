"""Rerankers that shortlist knows by name: where they are, their licence, and how they have to be run."""

from shortlist.catalogue.choosing import Choice, read_size, written_size
from shortlist.catalogue.encoders import known_prompts
from shortlist.catalogue.entries import Entry, Reference, find_entry, nearest_names, read_catalogue

__all__ = [
    "Choice",
    "Entry",
    "Reference",
    "find_entry",
    "known_prompts",
    "nearest_names",
    "read_catalogue",
    "read_size",
    "written_size",
]
