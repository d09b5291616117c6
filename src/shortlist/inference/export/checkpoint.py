"""The tensors of a model folder, in one file or in shards, read one at a time as fp32."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shortlist.errors import CorruptModelError, ModelNotFoundError, UnsupportedModelError
from shortlist.inference.export.safetensors import Floats, Stored, list_tensors

# Checkpoints converted from TensorFlow keep its names for the two halves of a LayerNorm.
_LEGACY = {"weight": "gamma", "bias": "beta"}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where each tensor of `folder` stands, by name."""

    folder: Path
    tensors: Mapping[str, Stored]

    @classmethod
    def open(cls, folder: Path) -> Checkpoint:
        """List the tensors of `model.safetensors` or of the shards that `model.safetensors.index.json` names.

        Raises ModelNotFoundError when there are no weights, UnsupportedModelError when there are
        only pickled ones, CorruptModelError when a file is damaged, truncated or missing.
        """
        index, single = folder / "model.safetensors.index.json", folder / "model.safetensors"
        if single.is_file():
            return cls(folder, list_tensors(single))
        if index.is_file():
            return cls(folder, dict(_sharded(index)))
        pickled = sorted(path.name for path in folder.glob("pytorch_model*.bin"))
        if pickled:
            raise UnsupportedModelError(
                f"{folder} holds only pickled weights ({pickled[0]}), which can run code when they are read;"
                " save the model as safetensors first"
            )
        graphs = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.onnx"))
        hint = f" (to use {graphs[0]}, which is there, copy it to model.onnx)" if graphs else ""
        raise ModelNotFoundError(f"{folder} holds no model.safetensors; fetch the model's weights into it{hint}")

    def find(self, name: str, *, prefix: str) -> Stored | None:
        """Return a tensor under its name with or without the prefix, modern or legacy."""
        stem, _, last = name.rpartition(".")
        legacy = f"{stem}.{_LEGACY[last]}" if last in _LEGACY else name
        tried = (prefix + name, name, prefix + legacy, legacy)
        return next((self.tensors[candidate] for candidate in tried if candidate in self.tensors), None)

    def read(self, name: str, *, prefix: str, shape: tuple[int | None, ...]) -> Floats:
        """Return a tensor as fp32; None in `shape` stands for any size.

        Raises CorruptModelError naming the tensor when it is absent, has another shape, or holds
        NaN or infinity.
        """
        found = self.find(name, prefix=prefix)
        if found is None:
            raise CorruptModelError(
                f"{self.folder} lacks the tensor {prefix + name!r} (also without the prefix {prefix!r});"
                " the checkpoint is incomplete or its config.json belongs to another model"
            )
        if len(found.shape) != len(shape) or any(w not in (None, h) for w, h in zip(shape, found.shape, strict=True)):
            wanted = " x ".join("any" if size is None else str(size) for size in shape)
            raise CorruptModelError(
                f"{found.path}: the tensor {found.name!r} has shape {found.shape}, but config.json asks for {wanted};"
                " the two belong to different models"
            )
        values = found.read()
        if not np.isfinite(values).all():
            raise CorruptModelError(
                f"{found.path}: the tensor {found.name!r} holds NaN or infinity; fetch the model again"
            )
        return values


def _sharded(index: Path) -> Iterator[tuple[str, Stored]]:
    try:
        mapping = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        shards = {name: index.parent / Path(file).name for name, file in mapping.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptModelError(f"{index} cannot be read ({error!r}); fetch the model again") from error
    held = {path: list_tensors(path) for path in sorted(set(shards.values()))}
    for name, path in shards.items():
        if name not in held[path]:
            raise CorruptModelError(f"{path} lacks the tensor {name!r} that {index.name} promises; fetch it again")
        yield name, held[path][name]
