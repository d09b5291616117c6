"""What a model of the catalogue needs, looked for before it is fetched."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

from shortlist.catalogue import find_entry
from shortlist.errors import MissingExtraError
from shortlist.inference.hub import is_fetched

_MODULES = {"hub": ("huggingface_hub",), "torch": ("torch", "transformers")}


def check_needs(name: str, *, engine: str) -> None:
    """Raise MissingExtraError with the install command when a model is still to be fetched, and could not be run."""
    entry = find_entry(str(name))
    if entry is None or Path(name).expanduser().is_dir() or is_fetched(entry.hub):
        return
    if engine == "torch":
        entry = replace(entry, needs=tuple(dict.fromkeys((*entry.needs, "torch"))))
    modules = [module for need in entry.needs for module in _MODULES[need]]
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        raise MissingExtraError(f"{entry.name} needs {' and '.join(missing)}. Install with: {entry.install}")
