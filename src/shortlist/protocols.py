"""The seams: what a retriever, scorer, reranker, gate, encoder, generator and likelihood model must do."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from shortlist.types import (
    Completion,
    Deadline,
    Decision,
    Document,
    Likelihood,
    Prompt,
    Query,
    Ranking,
    Scores,
    Truncation,
)

Vectors = npt.NDArray[np.float32]


class Role(str, Enum):
    """On which side of a comparison a text stands; some encoders prefix them differently."""

    QUERY = "query"
    DOCUMENT = "document"


@runtime_checkable
class Retriever(Protocol):
    """First stage: find candidates among all documents of an index."""

    def retrieve(self, query: Query, *, depth: int) -> Ranking:
        """Return at most `depth` documents, best first."""
        ...


@runtime_checkable
class Scorer(Protocol):
    """Pointwise model: one score a document, each independent of the others."""

    @property
    def fingerprint(self) -> str:
        """Name the model, its weights, engine, precision and limits: equal fingerprints give equal scores."""
        ...

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        """Return finite fp32 scores `[documents]` in input order."""
        ...


Group = tuple[Query, Sequence[Document]]


@runtime_checkable
class GroupScorer(Scorer, Protocol):
    """A scorer that takes the documents of several queries at once, so that they fill its batches together."""

    def score_groups(self, groups: Sequence[Group]) -> list[Scores]:
        """Return for each group what `score` returns for it, but for rounding and latency."""
        ...


@runtime_checkable
class Reranker(Protocol):
    """Second stage: put candidates into a better order."""

    def rerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        """Return a permutation of the candidates, or its first `top_k`."""
        ...


@runtime_checkable
class GroupReranker(Reranker, Protocol):
    """A second stage that takes the candidates of several queries at once, so that they fill its batches together."""

    def rerank_many(self, many: Sequence[Ranking], *, top_k: int | None = None) -> list[Ranking]:
        """Return for each query's candidates what `rerank` returns for them, but for rounding and latency.

        Who overrides `rerank` overrides this too.
        """
        ...


@runtime_checkable
class TimedReranker(Reranker, Protocol):
    """A second stage that can be told when its answer is due."""

    def rerank_within(self, candidates: Ranking, *, deadline: Deadline, top_k: int | None = None) -> Ranking:
        """Return the candidates in the best order that there is time for, `is_partial` when there was not enough."""
        ...


@runtime_checkable
class AsyncScorer(Protocol):
    """A scorer that waits for something else than this machine, and so can be awaited."""

    async def ascore(self, query: Query, documents: Sequence[Document]) -> Scores:
        """Return what `score` returns, without blocking the event loop."""
        ...


@runtime_checkable
class Gate(Protocol):
    """Decides from what the first stage found whether the second is worth its time."""

    def decide(self, candidates: Ranking, *, top_k: int) -> Decision:
        """Say whether to rerank candidates of which the first `top_k` will go on."""
        ...


@runtime_checkable
class AsyncReranker(Protocol):
    """A reranker that can be awaited."""

    async def arerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        """Return what `rerank` returns, without blocking the event loop."""
        ...


@runtime_checkable
class Encoder(Protocol):
    """Bi-encoder: a text becomes a vector."""

    @property
    def fingerprint(self) -> str:
        """Name the model, its weights and its pooling: vectors of equal fingerprints can be compared."""
        ...

    @property
    def dimension(self) -> int:
        """The length of a vector."""
        ...

    def encode(self, texts: Sequence[str], *, role: Role) -> Vectors:
        """Return vectors `[texts, dimension]` of unit length, in input order."""
        ...


@runtime_checkable
class CuttingEncoder(Encoder, Protocol):
    """An encoder that reads so much of a text and no more, and says so."""

    def query_cut(self, text: str) -> Truncation | None:
        """Return what is left out of a query, in tokens; None when it is read to its end."""
        ...

    def document_cuts(self, documents: Sequence[Document]) -> list[Truncation]:
        """Return what is left out of those documents that are not read to their end, in tokens."""
        ...


@runtime_checkable
class Generator(Protocol):
    """A language model: continue a chat."""

    @property
    def fingerprint(self) -> str:
        """Name the model and the server or file it runs from."""
        ...

    def generate(self, prompt: Prompt) -> Completion:
        """Return the model's answer; may be called from several threads at once."""
        ...


@runtime_checkable
class LikelihoodModel(Protocol):
    """A language model that can say how likely a given answer is."""

    @property
    def fingerprint(self) -> str:
        """Name the model and the server or file it runs from."""
        ...

    def log_likelihood(self, prompt: Prompt, continuation: str) -> Likelihood:
        """Return the log probabilities of the tokens of `continuation` as the answer to `prompt`.

        May be called from several threads at once. Raises GenerationError when the model cannot say.
        """
        ...
