"""From a model's name and options to a reranker: one factory a kind, for the registry."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

from shortlist.errors import InputError
from shortlist.generators.llamacpp import LlamaCppEndpoint
from shortlist.generators.load import load_language_model
from shortlist.generators.openai import OpenAIEndpoint
from shortlist.protocols import Generator, LikelihoodModel
from shortlist.scorers.llm.cost import Budget, Prices
from shortlist.scorers.llm.labels import Choice
from shortlist.scorers.llm.listwise import Listwise, Record
from shortlist.scorers.llm.method import Method
from shortlist.scorers.llm.pairwise import Pairwise
from shortlist.scorers.llm.pointwise import Graded, Judge, PointwiseLLM, YesNo
from shortlist.scorers.llm.query_likelihood import QueryLikelihood
from shortlist.scorers.llm.reranker import LLMReranker
from shortlist.scorers.llm.setup import Setup
from shortlist.scorers.llm.setwise import Setwise

Factory = TypeVar("Factory", bound=Callable[..., Any])
Value = TypeVar("Value", Budget, Prices)
Model = str | Generator | LikelihoodModel
_CONNECTION: tuple[Callable[..., Any], ...] = (load_language_model, OpenAIEndpoint, LlamaCppEndpoint)
_JUDGES: dict[str, type[Judge]] = {"yes-no": YesNo, "graded": Graded}


def setup(
    model: Model,
    *,
    budget: Budget | Mapping[str, Any] | None = None,
    prices: Prices | Mapping[str, Any] | None = None,
    words: int = 300,
    fenced: bool = True,
    concurrency: int = 4,
    **connection: Any,
) -> Setup:
    """Take a language model as it is, or load it by name with the options of `load_language_model`.

    `budget` and `prices` may be mappings of their fields.
    """
    if isinstance(model, str):
        model = load_language_model(model, concurrency=concurrency, **connection)
    elif connection:
        raise InputError(
            f"a loaded model has no option {next(iter(connection))!r}; what a connection takes is only for a model"
            " that is named, and what this kind of reranker takes is in docs/llm.md"
        )
    caps = Budget() if budget is None else _value(Budget, "budget", budget)
    return Setup(model, caps, None if prices is None else _value(Prices, "prices", prices), words, fenced, concurrency)


def _value(kind: type[Value], name: str, given: Any) -> Value:
    """Take a value as it is, or make it of its fields."""
    if isinstance(given, kind):
        return given
    try:
        return kind(**given)
    except TypeError as error:
        parts = ", ".join(field.name for field in fields(kind))
        raise InputError(f"{name} is made of {parts}, all of them numbers; got {given!r}") from error


def _reranker(method: Method, model: Model, *, permutations: int = 1, seed: int = 0, **options: Any) -> LLMReranker:
    return LLMReranker(method, setup(model, **options), permutations=permutations, seed=seed)


def _passing_to(*others: Callable[..., Any]) -> Callable[[Factory], Factory]:
    """Show in a factory's signature what its **options may be: those that these take, and those of the connection."""

    def shown(factory: Factory) -> Factory:
        own = inspect.signature(factory).parameters.values()
        named = {one.name: one for one in own if one.kind is not one.VAR_KEYWORD}
        for other in (*others, *_CONNECTION):
            for one in inspect.signature(other).parameters.values():
                if one.kind is one.KEYWORD_ONLY:
                    named.setdefault(one.name, one)
        factory.__signature__ = inspect.Signature(list(named.values()))  # type: ignore[attr-defined]
        return factory

    return shown


@_passing_to(_reranker, setup)
def listwise(
    model: Model,
    *,
    prompt: str = "rankgpt",
    windows: str = "sliding",
    window: int = 20,
    step: int = 10,
    passes: int = 1,
    record: Record | None = None,
    **options: Any,
) -> LLMReranker:
    """Load a listwise reranker; see `Listwise`, and `setup` for the other options."""
    method = Listwise(prompt=prompt, windows=windows, window=window, step=step, passes=passes, record=record)
    return _reranker(method, model, **options)


@_passing_to(_reranker, setup)
def pairwise(
    model: Model, *, sort: str = "heap", top: int = 10, choice: Choice = "text", **options: Any
) -> LLMReranker:
    """Load a pairwise reranker; see `Pairwise`, and `setup` for the other options."""
    return _reranker(Pairwise(sort=sort, top=top, choice=choice), model, **options)


@_passing_to(_reranker, setup)
def setwise(model: Model, *, children: int = 2, top: int = 10, choice: Choice = "text", **options: Any) -> LLMReranker:
    """Load a setwise reranker; see `Setwise`, and `setup` for the other options."""
    return _reranker(Setwise(children=children, top=top, choice=choice), model, **options)


@_passing_to(setup)
def pointwise(model: Model, *, judge: str = "yes-no", **options: Any) -> PointwiseLLM:
    """Load a pointwise reranker, which is a scorer too; `judge` is "yes-no" or "graded"."""
    if judge not in _JUDGES:
        raise InputError(f"judge must be one of {', '.join(_JUDGES)}; got {judge!r}")
    return PointwiseLLM(_JUDGES[judge](), setup(model, **options))


@_passing_to(setup)
def query_likelihood(model: Model, **options: Any) -> PointwiseLLM:
    """Load a reranker by query likelihood, which is a scorer too."""
    return PointwiseLLM(QueryLikelihood(), setup(model, **options))
