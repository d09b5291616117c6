"""Scorers and rerankers by kind: ours as "module:attr" strings, third parties' through entry points."""

from __future__ import annotations

import difflib
import importlib
import inspect
import numbers
import operator
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any

from shortlist.errors import InputError
from shortlist.protocols import Reranker, Scorer

# A kind's factory takes a model's name and options, and returns a Scorer.
SCORERS: dict[str, str] = {
    "bi-encoder": "shortlist.scorers.cosine:Cosine.load",
    "causal-lm": "shortlist.scorers.causal_lm:load_causal_lm",
    "cohere": "shortlist.scorers.hosted.providers:cohere",
    "cohere-v1": "shortlist.scorers.hosted.providers:cohere_v1",
    "cross-encoder": "shortlist.scorers.cross_encoder:CrossEncoder.load",
    "infinity": "shortlist.scorers.hosted.providers:infinity",
    "isaacus": "shortlist.scorers.hosted.providers:isaacus",
    "jina": "shortlist.scorers.hosted.providers:jina",
    "late-interaction": "shortlist.scorers.late_interaction:LateInteraction.load",
    "lexical": "shortlist.scorers.lexical:Lexical.load",
    "llamacpp": "shortlist.scorers.hosted.providers:llamacpp",
    "mixedbread": "shortlist.scorers.hosted.providers:mixedbread",
    "pinecone": "shortlist.scorers.hosted.providers:pinecone",
    "seq2seq": "shortlist.scorers.seq2seq:load_monot5",
    "tei": "shortlist.scorers.hosted.providers:tei",
    "token-bm25": "shortlist.scorers.token_bm25:TokenBM25.load",
    "vllm": "shortlist.scorers.hosted.providers:vllm",
    "vllm-score": "shortlist.scorers.hosted.providers:vllm_score",
    "voyage": "shortlist.scorers.hosted.providers:voyage",
}

# A kind's factory takes a model's name (or a loaded language model) and options, and returns a Reranker: what knows
# only an order, or has more to say than scores.
RERANKERS: dict[str, str] = {
    "llm-likelihood": "shortlist.scorers.llm:query_likelihood",
    "llm-listwise": "shortlist.scorers.llm:listwise",
    "llm-pairwise": "shortlist.scorers.llm:pairwise",
    "llm-pointwise": "shortlist.scorers.llm:pointwise",
    "llm-setwise": "shortlist.scorers.llm:setwise",
}

ENTRY_POINT_GROUP = "shortlist.scorers"
RERANKER_ENTRY_POINT_GROUP = "shortlist.rerankers"


def scorer_kinds() -> tuple[str, ...]:
    """Name every kind of scorer that is registered."""
    return _kinds(SCORERS, ENTRY_POINT_GROUP)


def reranker_kinds() -> tuple[str, ...]:
    """Name every kind of reranker that is registered beside the scorers."""
    return _kinds(RERANKERS, RERANKER_ENTRY_POINT_GROUP)


def is_hosted(kind: str) -> bool:
    """Say whether a kind asks a server for its scores, so that no weights of the model are here."""
    return SCORERS.get(kind, "").startswith("shortlist.scorers.hosted.")


def kinds() -> tuple[str, ...]:
    """Name every kind of either sort, ours first."""
    ours = (*SCORERS, *RERANKERS)
    return (*ours, *(kind for kind in (*scorer_kinds(), *reranker_kinds()) if kind not in ours))


def load_scorer(kind: str, model: str, **options: Any) -> Scorer:
    """Load a scorer of a kind; raises InputError that lists what there is for an unknown kind or option."""
    scorer: Scorer = _made(kind, _factory(kind, SCORERS, ENTRY_POINT_GROUP), model, options)
    return scorer


def load_reranker(kind: str, model: Any, **options: Any) -> Reranker:
    """Load a reranker of a kind, `model` being a name or a loaded language model; raises as `load_scorer` does."""
    reranker: Reranker = _made(kind, _factory(kind, RERANKERS, RERANKER_ENTRY_POINT_GROUP), model, options)
    return reranker


def accepted(kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return those options that a kind of either sort takes: a hosted one has no threads. Raises as `load_scorer`."""
    ours, group = (SCORERS, ENTRY_POINT_GROUP)
    if kind in reranker_kinds():
        ours, group = (RERANKERS, RERANKER_ENTRY_POINT_GROUP)
    parameters = inspect.signature(_factory(kind, ours, group)).parameters
    return {name: value for name, value in options.items() if _is_open(parameters) or name in list(parameters)[1:]}


def _made(kind: str, factory: Callable[..., Any], model: Any, options: Mapping[str, Any]) -> Any:
    parameters = inspect.signature(factory).parameters
    known = list(parameters)[1:]  # the first is the model
    unknown = [] if _is_open(parameters) else [name for name in options if name not in known]
    if unknown:
        has = f"it has: {', '.join(known)}" if known else "it has none"
        raise InputError(f"a reranker of the kind {kind!r} has no option {unknown[0]!r}; {has}")
    for name, value in options.items():
        if name in parameters:
            _check_type(kind, parameters[name], value)
    return factory(model, **options)


_TYPES: Mapping[str, tuple[type, str]] = {
    "bool": (bool, "true or false"),
    "int": (numbers.Integral, "a whole number"),
    "float": (numbers.Real, "a number"),
    "str": (str, "a text"),
    "Mapping[str, Any]": (Mapping, "made of parts, each a name and its value"),
}


def _check_type(kind: str, parameter: inspect.Parameter, value: Any) -> None:
    """Raise InputError for a value of another type, where a factory wants a simple one; others are its own matter."""
    said, can_be_none, _ = str(parameter.annotation).partition(" | None")
    if said not in _TYPES or (can_be_none and value is None):
        return
    wanted, words = _TYPES[said]
    if not isinstance(value, wanted) or (isinstance(value, bool) and said != "bool"):
        raise InputError(f"{parameter.name} of the kind {kind!r} must be {words}; got {value!r}")


def _is_open(parameters: Mapping[str, inspect.Parameter]) -> bool:
    """Whether a factory passes options on that it does not name."""
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())


def _kinds(ours: Mapping[str, str], group: str) -> tuple[str, ...]:
    return (*ours, *(point.name for point in entry_points(group=group)))


def _factory(kind: str, ours: Mapping[str, str], group: str) -> Callable[..., Any]:
    if kind in ours:
        module, path = ours[kind].split(":")
        factory: Callable[..., Any] = operator.attrgetter(path)(importlib.import_module(module))
        return factory
    for point in entry_points(group=group):
        if point.name == kind:
            loaded: Callable[..., Any] = point.load()
            return loaded
    near = difflib.get_close_matches(kind, kinds(), 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise InputError(f"no scorer of kind {kind!r} (there are: {', '.join(kinds())}){hint}")
