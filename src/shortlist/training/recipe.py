"""The dials of a training run."""

from __future__ import annotations

from dataclasses import dataclass

from shortlist.errors import InputError
from shortlist.training.losses import LABEL_LOSSES, TEACHER_LOSSES


@dataclass(frozen=True, slots=True)
class Recipe:
    """The dials of one training run.

    `minutes` is the one that sets the rest: the learning rate follows the share of the
    budget that is used up, so a run always ends with its rate next to zero, on any machine.
    `steps`, when above 0, is the budget instead, and makes a run repeatable.

    `loss` learns from labels, `teacher_loss` from a teacher's scores divided by `temperature`;
    `label_weight` is the share of the first, and groups without a teacher have only that.
    A step's groups are run in `accumulate` pieces, which takes less memory (in-batch
    negatives of a bi-encoder are those of a piece). `exits` are layers that get a head of
    their own, trained with `exit_weight` times the mean of their losses. `bf16` multiplies
    in bf16 where autocast deems it safe; the weights themselves stay fp32.

    All groups of `dev_queries` queries are held out. Every `report_minutes`, or
    every `report_steps` when above 0, they are measured and a checkpoint is written. With a
    `patience` above 0 the best of the reports is what is kept at the end, and a run stops
    after so many reports without a better one.
    """

    minutes: float = 90.0
    steps: int = 0
    groups_per_step: int = 12
    accumulate: int = 1
    learning_rate: float = 1e-4
    head_learning_rate: float = 1e-3
    warmup: float = 0.04
    loss: str = "softmax"
    teacher_loss: str = "kl"
    label_weight: float = 0.5
    temperature: float = 0.05
    max_length: int = 144
    tokens_per_batch: int = 2048
    dev_queries: int = 400
    report_minutes: float = 10.0
    report_steps: int = 0
    patience: int = 0
    seed: int = 0
    exits: tuple[int, ...] = ()
    exit_weight: float = 0.3
    bf16: bool = False

    def check(self) -> None:
        """Raise InputError that names the first dial that cannot be used, and what it may be."""
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise InputError(f"{name} must be {least:g} or more; got {getattr(self, name)}")
        if self.steps == 0 and self.minutes <= 0:
            raise InputError(f"a run needs steps or minutes above 0; got {self.steps} and {self.minutes}")
        if not 0 <= self.label_weight <= 1 or not 0 <= self.warmup < 1:
            raise InputError(f"label_weight and warmup must be in 0..1; got {self.label_weight} and {self.warmup}")
        if self.temperature <= 0:
            raise InputError(f"temperature must be above 0; got {self.temperature}")
        for name, known in (("loss", LABEL_LOSSES), ("teacher_loss", TEACHER_LOSSES)):
            if getattr(self, name) not in known:
                raise InputError(f"{name} must be one of {', '.join(known)}; got {getattr(self, name)!r}")


_LEAST = {
    "steps": 0,
    "groups_per_step": 1,
    "accumulate": 1,
    "learning_rate": 0.0,
    "head_learning_rate": 0.0,
    "max_length": 16,
    "tokens_per_batch": 16,
    "dev_queries": 0,
    "report_steps": 0,
    "patience": 0,
    "seed": 0,
    "exit_weight": 0.0,
}
