"""A linear map of a bi-encoder's query vectors, fitted on labelled queries; what is indexed stays as it is.

A frozen encoder with a small trained map on top is what Search-Adaptor does (Yoon et al. 2023,
https://arxiv.org/abs/2310.08750); here only queries are mapped, so that no document is encoded again.
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn.functional import normalize

from shortlist.evaluation import trec
from shortlist.protocols import Vectors
from shortlist.scorers.cosine import cosines, mapped
from shortlist.training.held_out import CUTOFF, ranked

DECAYS = (0.01, 0.003, 0.001)
"""Weights of the map's squared norm that are tried; the largest stays nearest to the vectors as they came."""

_FOLDS, _STEPS, _RATE, _TEMPERATURE = 3, 40, 2e-3, 0.05


@dataclass(frozen=True, slots=True)
class Labelled:
    """Unit vectors of queries `[queries, dim]` and passages `[passages, dim]`, and labels `[queries, passages]`."""

    queries: Vectors
    passages: Vectors
    labels: Vectors

    def of(self, places: Sequence[int]) -> Labelled:
        """Return some of the queries with all passages."""
        return replace(self, queries=self.queries[places], labels=self.labels[places])


@dataclass(frozen=True, slots=True)
class QueryMap:
    """The map `[dim, dim]` that is added to a query's vector, the decay chosen, and held-out nDCG@10.

    A decay of None is the empty map: no other one was better on held-out queries.
    """

    values: Vectors
    decay: float | None
    dev_ndcg: float
    dev_ndcg_at_start: float


def choose(labelled: Labelled, names: Sequence[Hashable], *, seed: int = 0) -> QueryMap:
    """Fit the map on all queries with that decay which orders held-out queries of them best, in three folds.

    Queries of one name are in one fold.
    """
    places, different = range(len(names)), list(dict.fromkeys(names))
    random.Random(seed).shuffle(different)
    fold_of = {name: at % _FOLDS for at, name in enumerate(different)}
    folds = [[at for at in places if fold_of[names[at]] == fold] for fold in range(_FOLDS)]
    empty = np.zeros((labelled.queries.shape[1],) * 2, np.float32)
    at_start = float(np.mean(ndcg(labelled, empty)))
    best = QueryMap(empty, None, at_start, at_start)
    for decay in DECAYS if len(different) >= _FOLDS else ():
        gains: list[float] = []
        for held_out in folds:
            rest = [place for place in places if place not in held_out]
            gains += ndcg(labelled.of(held_out), fit(labelled.of(rest), decay))
        if float(np.mean(gains)) > best.dev_ndcg:
            best = replace(best, decay=decay, dev_ndcg=float(np.mean(gains)))
    return best if best.decay is None else replace(best, values=fit(labelled, best.decay))


def fit(labelled: Labelled, decay: float) -> Vectors:
    """Return the map that makes labelled passages likely in the softmax over all; Adam from nothing, all at once."""
    queries, passages = torch.from_numpy(labelled.queries), torch.from_numpy(labelled.passages)
    labels = torch.from_numpy(labelled.labels)
    shares = labels / labels.sum(1, keepdim=True).clamp_min(1e-9)  # [queries, passages]
    values = torch.zeros(queries.shape[1], queries.shape[1], requires_grad=True)
    optimizer = torch.optim.Adam([values], lr=_RATE)
    for _ in range(_STEPS):
        logits = normalize(queries + queries @ values, dim=1) @ passages.T / _TEMPERATURE
        loss = -(shares * logits.log_softmax(1)).sum(1).mean() + decay * values.square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return np.asarray(values.detach().numpy(), np.float32)


def ndcg(labelled: Labelled, values: Vectors) -> list[float]:
    """Return nDCG@10 of each query that has a relevant passage, by cosine over all passages, ties against it."""
    found = []
    for query, labels in zip(mapped(labelled.queries, values), labelled.labels.tolist(), strict=True):
        if any(label > 0 for label in labels):
            found.append(trec.ndcg(ranked(labels, cosines(labelled.passages, query).tolist()), labels, CUTOFF))
    return found
