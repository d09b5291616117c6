"""What a model is worth at a depth: nDCG@10 from figures, each with its source."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

from shortlist.errors import InputError

FIRST_STAGE = ""
PROMISING = "promising first"
"""In the place of a model before: candidates that an index's vectors and words speak for are read first."""


@dataclass(frozen=True, slots=True)
class Figure:
    """nDCG@10 of `model` on the first `depth` candidates, reading the share `read` of their tokens.

    `after` names the model that ordered the candidates before, empty for the first stage
    alone, PROMISING for the model's own order before it reads. A `depth` of 0 is that order itself. `source` says who
    measured it; where it `is_measured`, it is of just so many candidates.
    """

    model: str
    depth: int
    value: float
    read: float = 1.0
    after: str = FIRST_STAGE
    source: str = "own"
    is_measured: bool = True

    def __post_init__(self) -> None:
        if self.depth < 0 or not 0 <= self.value <= 1 or not 0 < self.read <= 1:
            raise InputError(f"a figure needs a depth from 0, a value within 0..1 and 0 < read <= 1; got {self}")


@dataclass(frozen=True, slots=True)
class Estimate:
    """An expected nDCG@10, where it comes from, and whether it is a figure itself or was put together from some."""

    value: float
    source: str
    is_exact: bool


@dataclass(frozen=True, slots=True)
class QualityTable:
    """The figures of one collection; those of several cannot be compared."""

    collection: str
    figures: tuple[Figure, ...]

    def expected(self, model: str, *, depth: int, read: float = 1.0, after: str = FIRST_STAGE) -> Estimate | None:
        """Return what to expect of a model, None where there are no figures to tell.

        Between two depths the value is interpolated in the logarithm of the depth, beyond
        the deepest it stays as it is: more candidates may help or hurt. Between two shares it
        is interpolated in the share; below the least share, or the least depth, there is no telling.
        """
        shares = sorted({f.read for f in self.figures if f.model == model and f.after == after and f.depth > 0})
        if not shares or read < shares[0]:
            return None
        low = max(share for share in shares if share <= read)
        high = min((share for share in shares if share >= read), default=low)
        below, above = (self._at(model, depth, share, after) for share in (low, high))
        if low == high or below is None or above is None:
            return below
        weight = (read - low) / (high - low)
        return Estimate(below.value + weight * (above.value - below.value), below.source, False)

    def first_stage(self) -> Estimate | None:
        """Return the value of the first stage's own order."""
        found = next((f for f in self.figures if f.depth == 0 and f.after == FIRST_STAGE), None)
        return None if found is None else Estimate(found.value, found.source, True)

    def of_fewer(self, candidates: int) -> QualityTable:
        """Return the table for so many candidates: the best of fewer are worth less than the best of many.

        What comes after another order was measured on all candidates that there were. Of its gain over the first stage
        the share is left that the model which made the order keeps of its own. Of trec_dl19's first 5 to 50
        candidates this was off by .006 at most, the figures of 100 by up to .12.
        """
        return replace(self, figures=tuple(self._of_fewer(figure, candidates) for figure in self.figures))

    def _of_fewer(self, figure: Figure, candidates: int) -> Figure:
        if figure.after == FIRST_STAGE:
            return figure
        model = figure.model if figure.after == PROMISING else figure.after
        deepest = max((f.depth for f in self.figures if f.model == model and f.after == FIRST_STAGE), default=0)
        here, whole = (self.expected(model, depth=depth) for depth in (candidates, deepest))
        first = self.first_stage()
        if first is None or here is None or whole is None or whole.value <= max(first.value, here.value):
            return figure
        share = max(0.0, (here.value - first.value) / (whole.value - first.value))
        return replace(figure, value=first.value + share * (figure.value - first.value), is_measured=False)

    def of_index(self) -> QualityTable:
        """Return the table for documents of an index: models that have figures for it read the most promising first."""
        own = {f.model for f in self.figures if f.after == PROMISING}
        others = [f for f in self.figures if f.model not in own or f.after not in (FIRST_STAGE, PROMISING)]
        found = [replace(f, after=FIRST_STAGE) for f in self.figures if f.after == PROMISING]
        return replace(self, figures=(*others, *found))

    def _at(self, model: str, depth: int, read: float, after: str) -> Estimate | None:
        own = {f.depth: f for f in self.figures if (f.model, f.read, f.after) == (model, read, after)}
        before = self.first_stage() if after == FIRST_STAGE else None
        if 0 not in own and before is not None:
            own[0] = Figure(model, 0, before.value, read, after, before.source)
        if 0 in own:
            own.setdefault(1, replace(own[0], depth=1))  # one document alone has no order to change
        curve = [own[at] for at in sorted(own)]
        if depth in own or depth >= curve[-1].depth:
            figure = own.get(depth, curve[-1])
            return Estimate(figure.value, figure.source, figure.is_measured and depth in own)
        if depth < curve[0].depth:  # without a figure for the first stage there is nothing to start from
            return None
        left, right = next((a, b) for a, b in pairwise(curve) if a.depth < depth < b.depth)
        weight = math.log((1 + depth) / (1 + left.depth)) / math.log((1 + right.depth) / (1 + left.depth))
        return Estimate(left.value + weight * (right.value - left.value), right.source, False)


def read_table(file: Path) -> QualityTable:
    """Read a JSON file with `collection` and `points`; raises InputError that names what is wrong with which point."""
    try:
        return table_of(json.loads(file.read_text(encoding="utf-8")), str(file))
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from error
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{file} is no valid JSON: {error}") from error


def packaged_table() -> QualityTable:
    """Return the figures that come with shortlist: TREC DL 2019, BM25's top 100 reranked, each with its source."""
    return table_of(json.loads(files("shortlist.planning").joinpath("figures.json").read_text("utf-8")), "figures.json")


def table_of(content: Mapping[str, Any], where: str) -> QualityTable:
    """Make a table of plain JSON values; keys of a point that are no part of a `Figure` are left aside."""
    points = content.get("points") if isinstance(content, Mapping) else None
    if not isinstance(points, list) or not points:
        raise InputError(f'{where} needs "points": objects with model, depth, value (and read, after, source)')
    figures = tuple(_figure(point, f"{where}, point {number}") for number, point in enumerate(points))
    return QualityTable(str(content.get("collection", where)), figures)


def _figure(point: Mapping[str, Any], where: str) -> Figure:
    try:
        return Figure(
            str(point["model"]),
            int(point["depth"]),
            float(point["value"]),
            float(point.get("read", 1.0)),
            str(point.get("after", FIRST_STAGE)),
            str(point.get("source", "own")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{where} cannot be used ({type(error).__name__}: {error})") from error
