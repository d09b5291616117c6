"""One run for a user: from a model's name to a trained, exported folder."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from shortlist.inference.models import find_model
from shortlist.training.bi_encoder import BiEncoderStudent
from shortlist.training.checkpoint import FILE
from shortlist.training.cross_encoder import CrossEncoderStudent
from shortlist.training.finish import exported
from shortlist.training.groups import Group
from shortlist.training.pooling import Pooling
from shortlist.training.recipe import Recipe
from shortlist.training.start import starting_folder
from shortlist.training.students import Student
from shortlist.training.train import Watch, train_student


def run(
    groups: Sequence[Group], name: str, out: Path, recipe: Recipe, *, is_pair: bool, watch: Watch | None
) -> tuple[dict[str, float], dict[str, Any]]:
    """Train a cross-encoder (`is_pair`) or a bi-encoder from a named one; return its figures and the engines'.

    The checkpoint is removed at the end. Raises as `starting_folder`, `train_student` and `exported` do.
    """
    with tempfile.TemporaryDirectory() as scratch:
        start = starting_folder(name, Path(scratch))
        torch.manual_seed(recipe.seed)  # heads that the start lacks are drawn at random
        student: Student
        if is_pair:
            student = CrossEncoderStudent.load(start, recipe)
        else:
            student = BiEncoderStudent.load(start, recipe, Pooling.of(find_model(name)))
        figures = train_student(student, groups, start, out, recipe, watch=watch)
        engines = exported(student.exact(), out, "classification" if is_pair else "mean_pooling", groups)
    (out / FILE).unlink(missing_ok=True)
    return figures, engines
