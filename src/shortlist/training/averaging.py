"""The average of several trainings' weights (model soup, Wortsman et al. 2022)."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from shortlist.errors import InputError


def average(folders: Sequence[Path], out: Path) -> None:
    """Write a copy of the first folder to `out` with every tensor the mean of all folders'.

    The folders hold the same architecture, trained from the same start on other samples or
    in another order. Raises InputError where their tensors are not the same by name and shape.
    """
    shutil.copytree(folders[0], out, dirs_exist_ok=True)
    for file in sorted(out.glob("*.safetensors")):
        several = [load_file(folder / file.name) for folder in folders]
        shapes = [{name: tensor.shape for name, tensor in one.items()} for one in several]
        if any(one != shapes[0] for one in shapes):
            raise InputError(f"{file.name} is not the same model in all of {', '.join(map(str, folders))}")
        mean = {name: torch.stack([one[name] for one in several]).mean(0) for name in several[0]}
        save_file(mean, file, metadata={"format": "pt"})
