"""A model with exits, alone or in a blend, becomes a reranker that drops candidates early."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shortlist.build.models import blend_parts, load_part
from shortlist.errors import InputError, UnsupportedModelError
from shortlist.inference.biencoder import BiEncoder
from shortlist.protocols import Scorer
from shortlist.scorers.blend import Blend
from shortlist.scorers.pruned import Pruned
from shortlist.scorers.pruning import Margins

_TAKEN = ("engine", "precision", "threads")


def load_pruned(
    name: str, file: Path | None, *, encoder: BiEncoder | None = None, options: Mapping[str, Any] | None = None
) -> Pruned:
    """Load a cross-encoder with exits, or a blend of one, with the margins in `file`; without it nothing is dropped.

    Raises InputError for margins of another model, UnsupportedModelError for one without exits, or where the
    cross-encoder is not the one part of the weight 1.
    """
    given = dict(options or {})
    parts = blend_parts(name) or [{"kind": "cross-encoder", "model": name, "weight": 1.0}]
    staged = [part for part in parts if part["kind"] == "cross-encoder"]
    if len(staged) != 1 or float(staged[0]["weight"]) != 1.0:
        raise UnsupportedModelError(f"{name} has exits only if one cross-encoder, of the weight 1, is in it: {parts}")
    others = [(load_part(part, encoder, given), float(part["weight"])) for part in parts if part is not staged[0]]
    beside: Scorer | None = Blend(others) if others else None
    made = Margins.load(file) if file is not None else None
    told: dict[str, Any] = {} if made is None else {"margins": made.margins, "top_k": made.top_k}
    taken = {key: value for key, value in given.items() if key in _TAKEN}
    pruned = Pruned.load(str(staged[0]["model"]), beside=beside, **told, **taken)
    if made is not None and made.model != pruned.fingerprint:
        pruned.close()
        raise InputError(f"the margins in {file} are of {made.model}, not of {pruned.fingerprint}; fit them anew")
    return pruned
