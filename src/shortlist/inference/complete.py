"""Whether a model's files are all there and whole, before anything is computed with them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from shortlist.errors import CorruptModelError
from shortlist.inference.export.safetensors import list_tensors

_POINTER = b"version https://git-lfs.github.com/spec/"
WEIGHTS = {".safetensors", ".onnx", ".xml", ".bin", ".onnx_data", ".data"}


def check_complete(folder: Path) -> None:
    """Raise CorruptModelError that names the first file that is half-written, truncated, or only a pointer.

    Reads headers and sizes, no tensors. A graph in ONNX has no such header: the runtime finds
    it damaged when it opens it.
    """
    for problem in _problems(folder):
        raise CorruptModelError(f"{problem}; fetch the model again: shortlist pull")


def _problems(folder: Path) -> Iterator[str]:
    for file in sorted(folder.rglob("*")):
        if file.suffix in {".incomplete", ".part"} and ".cache" not in file.relative_to(folder).parts:
            yield f"{file} is half-written: an earlier fetch was interrupted"
        elif file.is_symlink() and not file.exists():
            yield f"{file} points to a file that is gone: the cache was cleaned or is incomplete"
        elif file.suffix in WEIGHTS and file.is_file():
            yield from _pointer(file)
            if file.suffix == ".safetensors":
                list_tensors(file)
    yield from _missing_shards(folder / "model.safetensors.index.json")


def _pointer(file: Path) -> Iterator[str]:
    with file.open("rb") as content:
        start = content.read(len(_POINTER))
    if not start:
        yield f"{file} is empty"
    if start == _POINTER:
        yield f"{file} is a git-lfs pointer, not the file itself: `git lfs pull` was not run"


def _missing_shards(index: Path) -> Iterator[str]:
    if not index.is_file() or (index.parent / "model.safetensors").is_file():
        return
    try:
        named = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError):
        yield f"{index} cannot be read"
        return
    there = [name for name in named if (index.parent / Path(name).name).is_file()]
    if there and len(there) < len(named):  # none at all: only the settings were fetched so far
        missing = next(name for name in named if name not in there)
        yield f"{index.parent / missing} is missing, one of {len(named)} parts of the weights"
