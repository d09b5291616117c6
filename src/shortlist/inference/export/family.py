"""What an exportable family of models is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shortlist.inference.export.config import Config
from shortlist.inference.export.draft import Draft
from shortlist.inference.export.graph import Value


@dataclass(frozen=True, slots=True)
class Encoded:
    """Hidden states `[batch, length or 1, size]`, with the longest input the encoder takes."""

    hidden: Value
    size: int
    max_length: int


@dataclass(frozen=True, slots=True)
class Family:
    """How one model type is drawn.

    `stem` starts the names of its classes in `architectures` (`Bert` of `BertModel`), `prefix`
    its tensors' names. `encode(draft, first_only)` draws the encoder, `features(draft, encoded)`
    the input `[batch, size]` of the output layer, which is called `out`. `pools_first(config)` says
    whether the features need position 0 alone.
    """

    stem: str
    prefix: str
    encode: Callable[[Draft, bool], Encoded]
    features: Callable[[Draft, Encoded], Value]
    out: str = "classifier"
    pools_first: Callable[[Config], bool] = lambda config: True

    @property
    def classifier(self) -> str:
        """The architecture that has a classification head."""
        return f"{self.stem}ForSequenceClassification"

    @property
    def architectures(self) -> tuple[str, ...]:
        """Every architecture that has this encoder."""
        return (f"{self.stem}Model", f"{self.stem}ForMaskedLM", f"{self.stem}ForPreTraining", self.classifier)
