"""Rerankers by kind: ours as "module:attr" strings, third parties' through entry points."""

from __future__ import annotations

import difflib
import importlib
import operator
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

from shortlist.errors import InputError
from shortlist.protocols import Scorer

# A kind's factory takes a model's name and options, and returns a Scorer.
SCORERS: dict[str, str] = {
    "bi-encoder": "shortlist.scorers.cosine:Cosine.load",
    "causal-lm": "shortlist.scorers.causal_lm:load_causal_lm",
    "cross-encoder": "shortlist.scorers.cross_encoder:CrossEncoder.load",
    "late-interaction": "shortlist.scorers.late_interaction:LateInteraction.load",
    "lexical": "shortlist.scorers.lexical:Lexical.load",
    "seq2seq": "shortlist.scorers.seq2seq:load_monot5",
}

ENTRY_POINT_GROUP = "shortlist.scorers"


def scorer_kinds() -> tuple[str, ...]:
    """Name every kind of scorer that is registered."""
    return (*SCORERS, *(point.name for point in entry_points(group=ENTRY_POINT_GROUP)))


def load_scorer(kind: str, model: str, **options: Any) -> Scorer:
    """Load a scorer of a kind; raises InputError that lists the kinds and the nearest one when it is unknown."""
    if kind in SCORERS:
        module, path = SCORERS[kind].split(":")
        factory: Callable[..., Scorer] = operator.attrgetter(path)(importlib.import_module(module))
        return factory(model, **options)
    for point in entry_points(group=ENTRY_POINT_GROUP):
        if point.name == kind:
            loaded: Scorer = point.load()(model, **options)
            return loaded
    near = difflib.get_close_matches(kind, scorer_kinds(), 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise InputError(f"no scorer of kind {kind!r} (there are: {', '.join(scorer_kinds())}){hint}")
