"""A gate by its name or file."""

from __future__ import annotations

from pathlib import Path

from shortlist.errors import InputError
from shortlist.gating.logistic import LogisticGate
from shortlist.gating.rules import Rules
from shortlist.protocols import Gate


def load_gate(name: str) -> Gate:
    """Return the rules for "rules", or the trained gate in a JSON file; raises InputError for what is neither."""
    if name == "rules":
        return Rules()
    file = Path(name).expanduser()
    if not file.is_file():
        raise InputError(f"no gate {name!r}: it is neither 'rules' nor the file of a trained gate")
    return LogisticGate.load(file)
