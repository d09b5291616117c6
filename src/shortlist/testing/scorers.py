"""What every scorer must keep."""

from __future__ import annotations

import numpy as np

from shortlist.protocols import GroupScorer, Scorer
from shortlist.testing.texts import DOCUMENTS, QUERY
from shortlist.types import Query


def check_scorer(scorer: Scorer, *, tolerance: float = 1e-3) -> None:
    """Check a scorer: one finite fp32 score a document, the same whatever else it is scored with.

    `tolerance` is how far a score may move with the batch it stands in: rounding only.
    """
    assert isinstance(scorer, Scorer), f"{type(scorer).__name__} has no `score` or no `fingerprint`"
    assert scorer.fingerprint, "the fingerprint is empty; a cache could not tell it from another scorer"
    scores = scorer.score(QUERY, DOCUMENTS)
    values = scores.values
    assert values.dtype == np.float32, f"scores are {values.dtype}, not float32"
    assert values.shape == (len(DOCUMENTS),), f"{values.shape} scores for {len(DOCUMENTS)} documents"
    lost = [DOCUMENTS[place].doc_id for place in np.flatnonzero(~np.isfinite(values))]
    assert not lost, f"not finite: {lost}"
    assert scores.step.stage, "the step has no name"
    assert scorer.score(QUERY, ()).values.shape == (0,), "no documents must give no scores"
    backwards = scorer.score(QUERY, DOCUMENTS[::-1]).values[::-1]
    _same(values, backwards, tolerance, "scores move with the order of the documents")
    alone = np.concatenate([scorer.score(QUERY, [document]).values for document in DOCUMENTS])
    _same(values, alone, tolerance, "scores move with what else is in the batch")
    assert values[1] == values[2], "two documents of the same text have different scores"
    if isinstance(scorer, GroupScorer):
        first, second = scorer.score_groups([(QUERY, DOCUMENTS), (Query("another"), DOCUMENTS[:2])])
        _same(values, first.values, tolerance, "scores move with another query in the batch")
        assert second.values.shape == (2,), "the second group's scores are not its own"
        assert scorer.score_groups([]) == [], "no groups must give no scores"


def _same(
    expected: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    found: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    tolerance: float,
    message: str,
) -> None:
    difference = np.abs(expected - found)
    worst = int(difference.argmax())
    assert difference[worst] <= tolerance, f"{message}: {DOCUMENTS[worst].doc_id} by {difference[worst]:.5f}"
