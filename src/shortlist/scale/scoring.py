"""A part's pairs become scores: the one function that a single process and every worker of a cluster run."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from shortlist.build.models import load_model, split_name
from shortlist.protocols import Group, Scorer
from shortlist.scale.pairs import Pair
from shortlist.scorers.groups import score_in_steps
from shortlist.types import Document, Query, Scores


class PartScorer:
    """A model that is loaded once and scores parts. `model` is a name or `kind:name`, `options` the settings' own."""

    def __init__(self, model: str, options: Mapping[str, Any]) -> None:
        kind, name, own = split_name(model)
        self._scorer: Scorer = load_model(name, kind=kind, defaults=options, **own)

    @property
    def fingerprint(self) -> str:
        """The scorer's: equal ones give equal scores."""
        return self._scorer.fingerprint

    def score(self, pairs: Sequence[Pair]) -> tuple[list[float], list[str]]:
        """Return one score a pair, in order, and what was degraded (truncations are counted, not listed)."""
        found = score_in_steps(self._scorer, _groups(pairs))
        scores = [float(value) for one in found for value in np.asarray(one.values, np.float32)]
        return scores, _remarks(found)


def _groups(pairs: Sequence[Pair]) -> list[Group]:
    groups: list[Group] = []
    for (query_id, text), members in itertools.groupby(pairs, key=lambda pair: (pair.query_id, pair.query)):
        documents = [Document(pair.text, pair.doc_id or str(place), pair.title) for place, pair in enumerate(members)]
        groups.append((Query(text, query_id), documents))
    return groups


def _remarks(found: Sequence[Scores]) -> list[str]:
    truncated = sum(len(one.step.truncations) for one in found)
    said = dict.fromkeys(text for one in found if not one.step.truncations for text in one.step.degradations)
    return [*([f"{truncated} documents were not read to their end"] if truncated else []), *said]
