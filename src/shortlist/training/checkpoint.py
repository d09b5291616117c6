"""The state of a run on disk, so that a killed one goes on exactly where it was."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from shortlist.errors import CorruptModelError, InputError
from shortlist.training.groups import Group
from shortlist.training.recipe import Recipe

FILE = "checkpoint.pt"


@dataclass(slots=True)
class Progress:
    """How far a run is: steps done, minutes trained, what every report said, the best of them."""

    step: int = 0
    minutes: float = 0.0
    reports: list[dict[str, float]] = field(default_factory=list)
    best: float = -1.0
    best_step: int = 0
    without_better: int = 0


def identity(groups: Sequence[Group], recipe: Recipe, start: Path) -> str:
    """Return a digest of all that decides how a run goes: equal ones may go on from each other's checkpoints."""
    digest = hashlib.sha256(json.dumps(asdict(recipe)).encode())
    for group in groups:
        digest.update(json.dumps(asdict(group), ensure_ascii=False).encode("utf-8", "replace"))
    for file in sorted([*start.glob("*.safetensors"), start / "tokenizer.json"]):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def save(
    folder: Path,
    key: str,
    progress: Progress,
    module: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    best: dict[str, Any] | None,
) -> None:
    """Write a checkpoint; a kill at any moment leaves the one before or this one, never half of one."""
    state = {
        "key": key,
        "progress": asdict(progress),
        "module": module.state_dict(),
        "optimizer": optimizer.state_dict(),
        "random": torch.get_rng_state(),
        "best": best,
    }
    fresh = folder / f"{FILE}.part"
    with fresh.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(folder / FILE)


def load(
    folder: Path, key: str, module: torch.nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[Progress, dict[str, Any] | None]:
    """Put a run back to its checkpoint; without one in the folder it is at the beginning.

    Raises InputError when the checkpoint is of other data, another recipe or another starting
    model, CorruptModelError when it cannot be read.
    """
    file = folder / FILE
    if not file.is_file():
        return Progress(), None
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds
        raise CorruptModelError(f"{file} cannot be read ({error}); delete it to begin anew") from error
    if state["key"] != key:
        raise InputError(
            f"{file} is of a run with other data, other options or another starting model;"
            " give the same ones to go on, or another folder to begin anew"
        )
    module.load_state_dict(state["module"])
    optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["random"])
    return Progress(**state["progress"]), state["best"]
