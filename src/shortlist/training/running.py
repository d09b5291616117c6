"""One run for a user: a model's name becomes a student, and this a trained, exported folder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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


@contextmanager
def opened(name: str, recipe: Recipe, *, is_pair: bool) -> Iterator[tuple[Student, Path]]:
    """Give a cross-encoder (`is_pair`) or a bi-encoder to train, and the folder of its weights.

    Raises as `starting_folder` and the students' `load` do.
    """
    with tempfile.TemporaryDirectory() as scratch:
        start = starting_folder(name, Path(scratch))
        torch.manual_seed(recipe.seed)  # heads that the start lacks are drawn at random
        if is_pair:
            yield CrossEncoderStudent.load(start, recipe), start
        else:
            yield BiEncoderStudent.load(start, recipe, Pooling.of(find_model(name))), start


def run(
    student: Student, groups: Sequence[Group], start: Path, out: Path, recipe: Recipe, *, watch: Watch | None
) -> tuple[dict[str, float], dict[str, Any]]:
    """Train and export a student; return its figures and the engines'.

    The checkpoint is removed at the end. Raises as `train_student` and `exported` do.
    """
    figures = train_student(student, groups, start, out, recipe, watch=watch)
    engines = exported(student.exact(), out, groups)
    (out / FILE).unlink(missing_ok=True)
    return figures, engines
