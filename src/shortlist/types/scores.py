"""What a scorer gives back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shortlist.types.ranking import ScoreKind
from shortlist.types.trace import Step


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """One fp32 score a document, `[documents]` in input order, with what was done to get them."""

    values: npt.NDArray[np.float32]
    kind: ScoreKind
    step: Step
