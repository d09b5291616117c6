"""A score calibration with what it was fitted on, and how far it is off on queries it did not see."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shortlist.calibration.error import Interval, calibration_error
from shortlist.calibration.logistic import Floats
from shortlist.calibration.maps import FITS, Isotonic, Platt, ScoreMap, Temperature, map_of
from shortlist.errors import InputError

FOLDS = 5
LEAST = 20  # pairs, and two of each label


@dataclass(frozen=True, slots=True)
class ScoreCalibration:
    """A map from scores to probabilities of relevance.

    `scorer` is the fingerprint of the scorer whose scores these are, `fitted_on` says in
    words on what, `error` is the expected calibration error over queries held out in turn
    (five folds), `uncalibrated` that of a bare sigmoid on the same pairs.
    """

    method: str
    score_map: ScoreMap
    scorer: str
    fitted_on: str
    pairs: int
    relevant: int
    error: Interval
    uncalibrated: Interval

    def save(self, file: Path) -> None:
        """Write it as JSON."""
        file.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> ScoreCalibration:
        """Read what `save` wrote; raises InputError that says what is wrong."""
        try:
            values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            intervals = {name: Interval(**values[name]) for name in ("error", "uncalibrated")}
            return cls(**{**values, **intervals, "score_map": map_of(values["method"], values["score_map"])})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{file} is no score calibration ({error}); fit one with `fit_scores`") from error


def fit_scores(
    scores: Mapping[str, Mapping[str, float]],
    relevant: Mapping[str, Mapping[str, bool]],
    *,
    method: str = "platt",
    scorer: str,
    fitted_on: str,
) -> ScoreCalibration:
    """Fit a calibration to judged pairs: scores and judgements, each query_id to doc_id to value.

    Pairs without a judgement are left out. `method` is "platt" (two numbers: the choice for few labels),
    "temperature" (one, for scores that are logits already) or "isotonic" (any rising shape, for thousands of labels).
    Raises InputError for an unknown method, grades in place of true and false, too few labels, and scores that are
    not finite.
    """
    if method not in FITS:
        raise InputError(f"no calibration method {method!r}; there are: {', '.join(FITS)}")
    judged = [
        (group, score, relevant[query_id][doc_id])
        for group, (query_id, by_doc) in enumerate(scores.items())
        for doc_id, score in by_doc.items()
        if doc_id in relevant.get(query_id, {})
    ]
    groups, values, labels = np.array(judged, dtype=float).reshape(-1, 3).T
    if not np.isfinite(values).all():
        raise InputError(f"{int((~np.isfinite(values)).sum())} of {len(values)} judged scores are no finite numbers")
    if not np.isin(labels, (0, 1)).all():
        raise InputError(f"a pair is relevant or not, true or false; {labels.max():g} is a grade: compare it with one")
    yes = int(labels.sum())
    if len(judged) < LEAST or min(yes, len(judged) - yes) < 2:
        raise InputError(
            f"{len(judged)} judged pairs, {yes} of them relevant, are too few to calibrate on;"
            f" it takes {LEAST} with two of either kind at least"
        )
    error = calibration_error(_held_out(values, labels, groups, method), labels, groups)
    bare = calibration_error(Temperature(1.0)(values), labels, groups)
    fitted = FITS[method](values, labels)
    return ScoreCalibration(method, fitted, scorer, fitted_on, len(judged), yes, error, bare)


def _held_out(values: Floats, labels: Floats, groups: Floats, method: str) -> Floats:
    """Return each pair's probability by a map that was fitted without its query."""
    fold_of = np.unique(groups, return_inverse=True)[1] % FOLDS
    chances = np.empty(len(values))
    for fold in np.unique(fold_of):
        out = fold_of == fold
        if not 0 < labels[~out].sum() < (~out).sum():
            raise InputError(
                f"the judged pairs are of too few queries ({len(np.unique(groups))}) to hold some out;"
                " relevant and irrelevant ones must be left without any fifth of them"
            )
        chances[out] = FITS[method](values[~out], labels[~out])(values[out])
    return chances


__all__ = ["FOLDS", "LEAST", "Isotonic", "Platt", "ScoreCalibration", "ScoreMap", "Temperature", "fit_scores"]
