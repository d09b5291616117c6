"""From a model's name and options to a reranker: one factory a kind, for the registry."""

from __future__ import annotations

from typing import Any

from shortlist.errors import InputError
from shortlist.generators import load_language_model
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

Model = str | Generator | LikelihoodModel
_JUDGES: dict[str, type[Judge]] = {"yes-no": YesNo, "graded": Graded}


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


def pairwise(
    model: Model, *, sort: str = "heap", top: int = 10, choice: Choice = "text", **options: Any
) -> LLMReranker:
    """Load a pairwise reranker; see `Pairwise`, and `setup` for the other options."""
    return _reranker(Pairwise(sort=sort, top=top, choice=choice), model, **options)


def setwise(model: Model, *, children: int = 2, top: int = 10, choice: Choice = "text", **options: Any) -> LLMReranker:
    """Load a setwise reranker; see `Setwise`, and `setup` for the other options."""
    return _reranker(Setwise(children=children, top=top, choice=choice), model, **options)


def pointwise(model: Model, *, judge: str = "yes-no", **options: Any) -> PointwiseLLM:
    """Load a pointwise reranker, which is a scorer too; `judge` is "yes-no" or "graded"."""
    if judge not in _JUDGES:
        raise InputError(f"judge must be one of {', '.join(_JUDGES)}; got {judge!r}")
    return PointwiseLLM(_JUDGES[judge](), setup(model, **options))


def query_likelihood(model: Model, **options: Any) -> PointwiseLLM:
    """Load a reranker by query likelihood, which is a scorer too."""
    return PointwiseLLM(QueryLikelihood(), setup(model, **options))


def setup(
    model: Model,
    *,
    budget: Budget | None = None,
    prices: Prices | None = None,
    words: int = 300,
    fenced: bool = True,
    concurrency: int = 4,
    **connection: Any,
) -> Setup:
    """Take a language model as it is, or load it by name with the options of `load_language_model`."""
    if isinstance(model, str):
        model = load_language_model(model, concurrency=concurrency, **connection)
    elif connection:
        raise InputError(
            f"a loaded model has no option {next(iter(connection))!r}; what a connection takes is only for a model"
            " that is named, and what this kind of reranker takes is in docs/llm.md"
        )
    return Setup(model, budget or Budget(), prices, words, fenced, concurrency)


def _reranker(method: Method, model: Model, *, permutations: int = 1, seed: int = 0, **options: Any) -> LLMReranker:
    return LLMReranker(method, setup(model, **options), permutations=permutations, seed=seed)
