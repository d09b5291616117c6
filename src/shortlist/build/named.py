"""A model by its name, kind and options, as a reranker that is loaded when it is needed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from shortlist import protocols
from shortlist.build.exits import load_exits
from shortlist.build.models import LanguageModel, load_second_stage, options_of, split_name
from shortlist.errors import UnsupportedModelError
from shortlist.inference.biencoder import BiEncoder
from shortlist.pipeline import Breaker, CheapFirst, Fallback, PlainBreaker
from shortlist.protocols import AsyncScorer
from shortlist.scorers.cached import Cached
from shortlist.scorers.licensed import Licensed
from shortlist.scorers.pointwise import Pointwise
from shortlist.scorers.score_store import ScoreStore
from shortlist.settings import Settings
from shortlist.types import Ranking

if TYPE_CHECKING:  # it comes with all that asks language models
    from shortlist.scorers.llm import Estimate


@runtime_checkable
class Estimating(Protocol):
    """A reranker that can say what a ranking takes, as those do that prompt a language model."""

    def estimate(self, candidates: Ranking, *, top_k: int | None = None) -> Estimate:
        """Return it; nothing is asked."""
        ...


@dataclass(frozen=True, slots=True)
class Named:
    """What `load_second_stage` is given: `options` are the caller's, `defaults` those of the settings."""

    model: str | LanguageModel
    kind: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)  # a key may be among them
    defaults: Mapping[str, Any] = field(default_factory=dict, repr=False)
    encoder: BiEncoder | None = None
    score_cache: str = "none"
    exits: str = "none"
    label: str = ""

    @classmethod
    def of(cls, name: str, settings: Settings, encoder: BiEncoder | None = None) -> Named:
        """Take `name` or `kind:name[option=value]`, run as the settings say; exits are only of their model's own."""
        kind, rest, options = split_name(name)
        exits = settings.exits if name == settings.model else "none"
        defaults = options_of(settings, kind)
        return cls(rest, kind, options, defaults, encoder, settings.score_cache, exits, label=name)

    @classmethod
    def given(
        cls,
        model: str | os.PathLike[str] | LanguageModel,
        kind: str | None,
        options: Mapping[str, Any],
        **how: Any,
    ) -> Named:
        """Take what a caller names and runs: `name`, `kind:name[option=value]`, a name beside its kind, or a path."""
        if kind is not None or not isinstance(model, str):
            return cls(os.fspath(model) if isinstance(model, os.PathLike) else model, kind, options, **how)
        kind, name, own = split_name(model)
        return cls(name, kind, {**own, **options}, label=model, **how)

    def __str__(self) -> str:
        if self.label:
            return self.label
        model = self.model if isinstance(self.model, str) else self.model.fingerprint
        return f"{self.kind}:{model}" if self.kind else model

    @property
    def threads(self) -> int | None:
        """The threads that are asked for, by the caller or by the settings."""
        chosen: int | None = {**self.defaults, **self.options}.get("threads")
        return chosen

    @property
    def remedy(self) -> str:
        """What to do where scores of single documents are needed and this orders all candidates at once."""
        if self.exits != "none":
            return "leave its exits out"
        return (
            "cap what a language model is asked instead, as [budget.calls=20] behind its name does, or take a model"
            " that scores pairs"
        )

    def load(self) -> protocols.Reranker:
        """Load the model, with its exits and behind its cache; raises as `load_second_stage` and `load_exits` do."""
        if self.exits != "none":
            return self._with_exits()
        reranker = load_second_stage(
            self.model, kind=self.kind, encoder=self.encoder, defaults=self.defaults, **self.options
        )
        return reranker if self.score_cache == "none" else _remembering(reranker, self.score_cache)

    def _with_exits(self) -> protocols.Reranker:
        """Load the model with its exits; one with exits behind its layers has no cache: what it gives depends on k."""
        if not isinstance(self.model, str) or self.kind not in {None, "blend", "cross-encoder"}:
            raise UnsupportedModelError(f"{self} has no exits; leave exits out, or take a blend or a cross-encoder")
        given = {**self.defaults, **self.options}
        reranker = load_exits(self.model, self.exits, encoder=self.encoder, options=given).reranker
        if not isinstance(reranker, CheapFirst) or self.score_cache == "none":
            return reranker
        # a pair that is remembered needs no vector
        return reranker.over(_remembering(reranker.reranker, self.score_cache), encodes=False)

    def guarded(self) -> protocols.Reranker:
        """Load the model; one that is elsewhere, or prompts a language model, stands behind a circuit breaker."""
        reranker = self.load()
        if is_remote(reranker):
            return Breaker(reranker, name=str(self))
        return PlainBreaker(reranker, name=str(self)) if isinstance(reranker, Estimating) else reranker


def _remembering(reranker: protocols.Reranker, where: str) -> protocols.Reranker:
    """Keep a local scorer's scores: what others compute may change under the same name."""
    if not isinstance(reranker, Pointwise) or is_remote(reranker):
        return reranker
    store = None if where == "memory" else ScoreStore(None if where == "disk" else Path(where).expanduser())
    scorer = reranker.scorer
    if isinstance(scorer, Licensed):  # what is remembered stands under the licence too
        return Pointwise(scorer.over(Cached(scorer.scorer, store=store)))
    return Pointwise(Cached(scorer, store=store))


def pointwise_of(reranker: protocols.Reranker) -> Pointwise | None:
    """Return the reranker that reads, whether an exit stands before it or not; None for one that orders together."""
    reading = reranker.reranker if isinstance(reranker, CheapFirst) else reranker
    return reading if isinstance(reading, Pointwise) else None


def is_remote(reranker: protocols.Reranker) -> bool:
    """Whether a reranker's scores come from something else than this machine."""
    return isinstance(reranker, Pointwise) and isinstance(reranker.scorer, AsyncScorer)


def loaded(first: Named, fallback: Sequence[Named] | None) -> protocols.Reranker:
    """Load a model; with a fallback, the chain of it and of what is asked when it fails."""
    if fallback is None:
        return first.load()
    return Fallback([(str(named), named.guarded()) for named in (first, *fallback)])
