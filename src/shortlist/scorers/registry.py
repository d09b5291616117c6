"""Rerankers by kind: ours as "module:attr" strings, third parties' through entry points."""

from __future__ import annotations

import difflib
import importlib
import inspect
import operator
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any

from shortlist.errors import InputError
from shortlist.protocols import Scorer

# A kind's factory takes a model's name and options, and returns a Scorer.
SCORERS: dict[str, str] = {
    "bi-encoder": "shortlist.scorers.cosine:Cosine.load",
    "cohere": "shortlist.scorers.hosted.providers:cohere",
    "cross-encoder": "shortlist.scorers.cross_encoder:CrossEncoder.load",
    "infinity": "shortlist.scorers.hosted.providers:infinity",
    "jina": "shortlist.scorers.hosted.providers:jina",
    "lexical": "shortlist.scorers.lexical:Lexical.load",
    "llamacpp": "shortlist.scorers.hosted.providers:llamacpp",
    "tei": "shortlist.scorers.hosted.providers:tei",
    "vllm": "shortlist.scorers.hosted.providers:vllm",
    "voyage": "shortlist.scorers.hosted.providers:voyage",
}

ENTRY_POINT_GROUP = "shortlist.scorers"


def scorer_kinds() -> tuple[str, ...]:
    """Name every kind of scorer that is registered."""
    return (*SCORERS, *(point.name for point in entry_points(group=ENTRY_POINT_GROUP)))


def load_scorer(kind: str, model: str, **options: Any) -> Scorer:
    """Load a scorer of a kind; raises InputError that lists the kinds and the nearest one when it is unknown."""
    return _factory(kind)(model, **options)


def accepted(kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return those options that scorers of a kind take: a hosted one has no threads. Raises as `load_scorer`."""
    parameters = inspect.signature(_factory(kind)).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return dict(options)
    return {name: value for name, value in options.items() if name in parameters}


def _factory(kind: str) -> Callable[..., Scorer]:
    if kind in SCORERS:
        module, path = SCORERS[kind].split(":")
        ours: Callable[..., Scorer] = operator.attrgetter(path)(importlib.import_module(module))
        return ours
    for point in entry_points(group=ENTRY_POINT_GROUP):
        if point.name == kind:
            theirs: Callable[..., Scorer] = point.load()
            return theirs
    near = difflib.get_close_matches(kind, scorer_kinds(), 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise InputError(f"no scorer of kind {kind!r} (there are: {', '.join(scorer_kinds())}){hint}")
