"""A blend, or a model with exits, becomes a reranker that drops candidates before they are read to the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shortlist.build.models import blend_parts, load_model, load_part
from shortlist.errors import CorruptModelError, InputError, UnsupportedModelError
from shortlist.inference.biencoder import BiEncoder
from shortlist.inference.export.stages import exit_layers
from shortlist.inference.models import find_model, name_of
from shortlist.pipeline.cheap_first import CheapFirst
from shortlist.protocols import Reranker, Scorer
from shortlist.scorers.asked_of import innermost
from shortlist.scorers.blend import Blend
from shortlist.scorers.cosine import Cosine
from shortlist.scorers.pointwise import Pointwise
from shortlist.scorers.pruned import Pruned
from shortlist.scorers.pruning import Floats, Margins
from shortlist.scorers.token_bm25 import TokenBM25
from shortlist.settings import DEFAULT_MODEL
from shortlist.types import Document, Query
from shortlist.weights import find_packaged

PACKAGED = "packaged"
"""In the place of a file of margins: those that come with the packaged default."""

_TAKEN = ("engine", "precision", "threads")
_CHEAP = {"bi-encoder", "token-bm25"}  # with vectors and token ids stored


@dataclass(frozen=True, slots=True)
class Exits:
    """A reranker that drops candidates by margins, and what margins are fitted from.

    `scores` gives every exit's scores and then the final ones, `[exits + 1, documents]`, the first exit being before
    the first layer; `fingerprint` says of what. `close` ends the threads.
    """

    reranker: Reranker
    fingerprint: str
    scores: Callable[[Query, Sequence[Document]], Floats]
    close: Callable[[], None]


def load_exits(
    name: str,
    where: str | None = None,
    *,
    encoder: BiEncoder | None = None,
    options: Mapping[str, Any] | None = None,
) -> Exits:
    """Load a blend, or a cross-encoder with exits behind its layers, with the margins of a file or PACKAGED.

    Without margins nothing is dropped. Raises InputError for margins of another model, UnsupportedModelError for a
    model that knows nothing before the last layer, or where not just one cross-encoder is read beside cheap parts.
    """
    name, margins = name_of(name), None if where is None else read_margins(where)
    if where == PACKAGED and name != DEFAULT_MODEL:
        raise InputError(
            f"the packaged margins are of {DEFAULT_MODEL}, not of {name}; fit some with `shortlist exits`, or leave"
            " exits out"
        )
    parts = blend_parts(name) or [{"kind": "cross-encoder", "model": name, "weight": 1.0}]
    read = [part for part in parts if part["kind"] == "cross-encoder"]
    if len(read) != 1 or any(part["kind"] not in _CHEAP for part in parts if part not in read):
        raise UnsupportedModelError(
            f"{name} has exits only if one cross-encoder is in it, and otherwise {' or '.join(sorted(_CHEAP))}: {parts}"
        )
    is_layered = len(parts) == 1 or bool(exit_layers(find_model(str(read[0]["model"])).path))
    given = dict(options or {})
    if is_layered:
        made = _layered(name, parts, margins, encoder, given)
    else:
        made = _before_reading(name, margins, encoder, given)
    if margins is not None and where != PACKAGED and margins.model != made.fingerprint:
        made.close()
        raise InputError(f"the margins in {where} are of {margins.model}, not of {made.fingerprint}; fit them anew")
    return made


def read_margins(where: str) -> Margins:
    """Return the margins of a file, or PACKAGED ones; raises InputError for a file that holds none."""
    return packaged_margins() if where == PACKAGED else Margins.load(Path(where).expanduser())


def packaged_margins() -> Margins:
    """Return the margins of the packaged default, in whichever precision it runs; see scripts/fit_exits.py."""
    model = find_packaged(DEFAULT_MODEL)
    if model is None:
        raise CorruptModelError(f"the packaged model {DEFAULT_MODEL} is missing; install shortlist again")
    model.verify()
    return Margins.load(model.folder / "exits.json")


def known_unread(blend: Blend) -> Blend | None:
    """Return what of a blend costs next to nothing where vectors are stored; None where that is nothing, or all."""
    read = [part for part in blend.parts if not isinstance(innermost(part), (Cosine, TokenBM25))]
    return blend.without(*read) if 0 < len(read) < len(blend.parts) else None


def promising_first(reranker: Reranker, scorer: Scorer) -> CheapFirst | None:
    """Let a deadline find first what a blend's cosine and what costs as little speak for; None where it has none."""
    blend = innermost(scorer)
    cheap = known_unread(blend) if isinstance(blend, Blend) else None
    if cheap is None or not any(isinstance(innermost(part), Cosine) for part in cheap.parts):
        return None
    return CheapFirst(cheap, reranker, margins={})


def _before_reading(
    name: str,
    margins: Margins | None,
    encoder: BiEncoder | None,
    options: dict[str, Any],
) -> Exits:
    """The parts of the blend that cost next to nothing are its one exit."""
    blend = load_model(name, encoder=encoder, **options)
    cheap = known_unread(blend) if isinstance(blend, Blend) else None
    if not isinstance(blend, Blend) or cheap is None:
        raise UnsupportedModelError(f"{name} is no blend, so nothing is known before it is read")
    read = blend.without(*cheap.parts)
    by_top_k = {} if margins is None else {top_k: given[0] for top_k, given in margins.by_top_k.items()}

    def scores(query: Query, documents: Sequence[Document]) -> Floats:
        added = cheap.score(query, documents).values
        return np.stack([added, added + read.score(query, documents).values])

    return Exits(CheapFirst(cheap, Pointwise(blend), margins=by_top_k), blend.fingerprint, scores, blend.close)


def _layered(
    name: str,
    parts: Sequence[Mapping[str, Any]],
    margins: Margins | None,
    encoder: BiEncoder | None,
    options: dict[str, Any],
) -> Exits:
    """The other parts of the blend, if there are any, are the first exit; heads behind layers are the others."""
    read = next(part for part in parts if part["kind"] == "cross-encoder")
    if float(read["weight"]) != 1.0:
        raise UnsupportedModelError(f"{name} has exits behind layers only if the cross-encoder's weight is 1: {parts}")
    others = [(load_part(part, encoder, options), float(part["weight"])) for part in parts if part is not read]
    beside: Scorer | None = Blend(others) if others else None
    taken = {key: value for key, value in options.items() if key in _TAKEN}
    pruned = Pruned.load(
        str(read["model"]), beside=beside, margins=None if margins is None else margins.by_top_k, **taken
    )
    return Exits(pruned, pruned.fingerprint, pruned.scores, pruned.close)
