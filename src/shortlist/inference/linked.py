"""A graph of which the hub's cache keeps every part under another name, as files that stand beside one another."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from shortlist.errors import ModelError


def in_one_place(graph: Path, place: Callable[[], Path]) -> Path:
    """Return a graph whose file of weights (`model.onnx_data`) really stands beside it: itself, or a copy at `place`.

    The hub's cache has links there to files that are named by their hash. OpenVINO and onnx follow none out of the
    graph's folder, and onnx takes no hard link either. Raises ModelError when a copy cannot be made.
    """
    parts = sorted(graph.parent.glob(f"{graph.name}*"))
    if len(parts) == 1 or not any(part.is_symlink() for part in parts):
        return graph
    folder = place()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for part in parts:
            _copy(part, folder / part.name)
    except OSError as error:
        raise ModelError(
            f"{folder / graph.name} cannot be written ({error}); free some space or choose another folder"
        ) from error
    return folder / graph.name


def _copy(source: Path, target: Path) -> None:
    if not target.is_file():
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            Path(shutil.copyfile(source, Path(scratch) / target.name)).replace(target)
