"""Arguments of a reranker's calls, refused by name where a call does not take them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence

from shortlist.errors import InputError
from shortlist.types import Ranking


def check_candidates(candidates: object, more: Sequence[object], *, instead: str) -> None:
    """Raise InputError for what is no Ranking, or more than one argument; `instead` names the call that takes it."""
    if more or not isinstance(candidates, Ranking):
        raise InputError(
            "a Ranking is reranked, and nothing beside it; for a query and its documents there is"
            f" {instead}(query, documents)"
        )


def refuse_unknown(unknown: Mapping[str, object], call: Callable[..., object]) -> None:
    """Raise InputError for an option that a call has not."""
    if unknown:
        kinds = inspect.signature(call).parameters.values()
        known = ", ".join(parameter.name for parameter in kinds if parameter.kind is parameter.KEYWORD_ONLY)
        raise InputError(f"{call.__name__} has no option {next(iter(unknown))!r}; it has: {known}")


def names_of(given: Sequence[str], *, of: str) -> tuple[str, ...]:
    """Return models' names; raises InputError for a single one."""
    if isinstance(given, str):
        raise InputError(f"{of} must be a list of models' names, not a single one; put it in a list: [{given!r}]")
    return tuple(given)
