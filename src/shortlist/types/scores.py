"""What a scorer gives back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shortlist.errors import ScoreError
from shortlist.types.ranking import ScoreKind
from shortlist.types.trace import Step


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """One fp32 score a document, `[documents]` in input order, with what was done to get them.

    Numbers of another type become fp32. Raises ScoreError for what is not one row of numbers.
    """

    values: npt.NDArray[np.float32]
    kind: ScoreKind
    step: Step

    def __post_init__(self) -> None:
        try:
            with np.errstate(over="ignore"):  # infinity then, which whoever sorts refuses
                values = np.asarray(self.values, np.float32)
        except (TypeError, ValueError) as error:
            raise ScoreError(f"{self.step.stage} gave scores that are not one row of numbers: {error}") from error
        if values.ndim != 1:
            raise ScoreError(f"{self.step.stage} gave scores of shape {values.shape}; give one row, a score a document")
        object.__setattr__(self, "values", values)
