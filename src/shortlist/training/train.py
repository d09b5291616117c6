"""The training loop: groups in, a Hugging Face folder out."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from shortlist.errors import InputError
from shortlist.training import checkpoint
from shortlist.training.card import clear
from shortlist.training.checkpoint import Progress
from shortlist.training.cross_encoder import CrossEncoderStudent
from shortlist.training.groups import Group
from shortlist.training.held_out import measured, split_by_query
from shortlist.training.losses import find_loss
from shortlist.training.losses.targets import Targets
from shortlist.training.recipe import Recipe
from shortlist.training.schedule import Order, rate
from shortlist.training.students import Student

__all__ = ["Moment", "Recipe", "train", "train_student"]


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a run is: the step just done, the share used of its budget, its loss, a report's figures if one was due."""

    step: int
    used: float
    loss: float
    figures: dict[str, float]


Watch = Callable[[Moment], None]


def train(
    groups: Sequence[Group], start: Path, out: Path, recipe: Recipe, *, watch: Watch | None = None
) -> dict[str, float]:
    """Train a cross-encoder from the encoder or classifier in `start`; see `train_student`."""
    recipe.check()
    torch.manual_seed(recipe.seed)  # heads that `start` lacks are drawn at random
    return train_student(CrossEncoderStudent.load(start, recipe), groups, start, out, recipe, watch=watch)


def train_student(
    student: Student, groups: Sequence[Group], start: Path, out: Path, recipe: Recipe, *, watch: Watch | None = None
) -> dict[str, float]:
    """Train a student, write checkpoints and the final model to `out`, return the figures of the held-out groups.

    A run that was killed goes on from its last checkpoint in `out` when it is called with the
    same arguments, and with `steps` for its budget ends with the very same weights, given the
    same threads. `watch` sees every step. Raises InputError when there is nothing to train on.
    """
    rng = random.Random(recipe.seed)
    dev, training = split_by_query(groups, recipe.dev_queries, rng)
    if not training:
        raise InputError(
            f"no groups are left to train on: {len(dev)} of {len(groups)} are held out, with all of their queries"
        )
    run = _Run(student, recipe, out, checkpoint.identity(groups, recipe, start), dev, watch or (lambda _: None))
    order = Order(training, per_step=recipe.groups_per_step, rng=rng)
    out.mkdir(parents=True, exist_ok=True)
    (out / "recipe.json").write_text(json.dumps(asdict(recipe), indent=1))
    run.resume()
    while not run.is_over:
        run.step(order.step(run.progress.step))
    figures = run.finish()
    figures["epochs"] = run.progress.step / order.steps_an_epoch
    (out / "figures.json").write_text(json.dumps(figures, indent=1))
    return figures


class _Run:
    """One run: the student, its optimizer, how far it is, and the best state so far."""

    def __init__(
        self, student: Student, recipe: Recipe, out: Path, key: str, dev: Sequence[Group], watch: Watch
    ) -> None:
        self.progress = Progress()
        self._student, self._recipe, self._out, self._key, self._dev = student, recipe, out, key, dev
        self._watch = watch
        self._optimizer = torch.optim.AdamW(student.parts(recipe), weight_decay=0.01, fused=True)
        self._label_loss, self._teacher_loss = find_loss(recipe.loss), find_loss(recipe.teacher_loss)
        self._best: dict[str, Any] | None = None
        self._losses: list[float] = []
        self._since = time.monotonic()

    @property
    def is_over(self) -> bool:
        """Whether the budget is used up, or patience is."""
        patience = self._recipe.patience
        return self.used >= 1 or 0 < patience <= self.progress.without_better

    @property
    def used(self) -> float:
        """The share of the budget that is used up."""
        if self._recipe.steps:
            return self.progress.step / self._recipe.steps
        return self._minutes() / self._recipe.minutes

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one; else measure the model as it came."""
        self.progress, self._best = checkpoint.load(self._out, self._key, self._student.module, self._optimizer)
        self._since = time.monotonic()
        if not self.progress.reports:
            self._report()

    def step(self, groups: Sequence[Group]) -> None:
        """Learn from one step's groups, and report when it is time."""
        middle = 0.5 / self._recipe.steps if self._recipe.steps else 0.0  # a first step at rate 0 would learn nothing
        share = rate(self.used + middle, warmup=self._recipe.warmup)
        for part in self._optimizer.param_groups:
            part["lr"] = part["peak"] * share
        loss = self._learn(groups)
        self.progress.step += 1
        self._losses.append(loss)
        figures = self._report() if self._is_report_due() else {}
        self._watch(Moment(self.progress.step, min(1.0, self.used), loss, figures))

    def finish(self) -> dict[str, float]:
        """Take the best state if there is one to take, save the model, and return its figures."""
        if not self.progress.reports or self.progress.reports[-1]["step"] != self.progress.step:
            self._report()
        if self._best is not None and self.progress.best_step != self.progress.step:
            self._student.module.load_state_dict(self._best)
        figures = measured(self._student, self._dev, self._recipe)
        clear(self._out)
        self._student.save(self._out)
        self.progress.minutes = self._minutes()
        start = {f"{name}_at_start": value for name, value in self.progress.reports[0].items() if "dev_" in name}
        kept = self.progress.best_step if self._best is not None else self.progress.step
        return {
            "steps": float(self.progress.step),
            "kept_step": float(kept),
            "minutes": self.progress.minutes,
            **figures,
            **start,
        }

    def _learn(self, groups: Sequence[Group]) -> float:
        self._student.module.train()
        self._optimizer.zero_grad(set_to_none=True)
        size = -(-len(groups) // self._recipe.accumulate)
        total = 0.0
        for at in range(0, len(groups), size):
            piece = groups[at : at + size]
            loss = self._loss(piece) * (len(piece) / len(groups))
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(self._student.module.parameters(), 1.0)
        self._optimizer.step()
        return total

    def _loss(self, groups: Sequence[Group]) -> Tensor:
        scores, targets = self._student.compared(groups)
        *exits, final = [self._head_loss(one, targets) for one in scores.unbind(-1)]
        return final + self._recipe.exit_weight * torch.stack(exits).mean() if exits else final

    def _head_loss(self, scores: Tensor, targets: Targets) -> Tensor:
        """Return the mean over groups: of those with a teacher both losses, of the others that of the labels alone."""
        taught = targets.taught.any(-1)  # [groups]
        total = scores.new_zeros(())
        for chosen, weight in ((taught, self._recipe.label_weight), (~taught, 1.0)):
            if chosen.any():
                own, some = scores[chosen], targets.of(chosen)
                loss = weight * self._label_loss(own, some)
                if weight < 1:
                    loss = loss + (1 - weight) * self._teacher_loss(own, some.of_teacher())
                total = total + loss * (len(own) / len(scores))
        return total

    def _is_report_due(self) -> bool:
        if self._recipe.report_steps:
            return self.progress.step % self._recipe.report_steps == 0
        last = self.progress.reports[-1]["minutes"]
        return self._minutes() - last >= self._recipe.report_minutes

    def _report(self) -> dict[str, float]:
        figures = measured(self._student, self._dev, self._recipe)
        loss = sum(self._losses) / len(self._losses) if self._losses else 0.0
        self._losses = []
        self.progress.minutes, self._since = self._minutes(), time.monotonic()
        head = {"step": float(self.progress.step), "minutes": self.progress.minutes, "loss": loss}
        self.progress.reports.append({**head, **figures})
        self._remember(figures)
        checkpoint.save(self._out, self._key, self.progress, self._student.module, self._optimizer, self._best)
        return self.progress.reports[-1]

    def _remember(self, figures: dict[str, float]) -> None:
        """With patience, keep the best state; the model as it came counts as one."""
        if not self._recipe.patience or "dev_ndcg" not in figures:
            return
        if figures["dev_ndcg"] > self.progress.best:
            self.progress.best, self.progress.best_step = figures["dev_ndcg"], self.progress.step
            self.progress.without_better = 0
            self._best = {name: tensor.clone() for name, tensor in self._student.module.state_dict().items()}
        else:
            self.progress.without_better += 1

    def _minutes(self) -> float:
        return self.progress.minutes + (time.monotonic() - self._since) / 60
