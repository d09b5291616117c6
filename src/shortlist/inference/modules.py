"""The modules that sentence-transformers chains behind a transformer, as `modules.json` lists them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shortlist.errors import CorruptModelError, UnsupportedModelError

# Packages whose modules are declared by their settings alone. A module of any other package is code to run.
_PACKAGES = {"sentence_transformers", "pylate"}


@dataclass(frozen=True, slots=True)
class Module:
    """One module: its class's name ("Transformer", "Pooling", "Dense"), its folder, and its `config.json`."""

    kind: str
    folder: Path
    settings: Mapping[str, Any]

    @property
    def pooling(self) -> str:
        """How a Pooling makes one vector of a text: "mean" or "cls" where it says one of them, else what it says."""
        said = self.settings
        legacy = [key for key, value in said.items() if key.startswith("pooling_mode_") and value is True]
        named = {"pooling_mode_cls_token": "cls", "pooling_mode_mean_tokens": "mean"}
        mode = said.get("pooling_mode", named.get(legacy[0], legacy[0]) if len(legacy) == 1 else legacy)
        mode = mode[0] if isinstance(mode, list) and len(mode) == 1 else mode
        return str(mode) if self.kind == "Pooling" else ""

    @property
    def leaves_prompt_out(self) -> bool:
        """Whether a Pooling averages over the tokens behind the prompt only."""
        return self.pooling == "mean" and self.settings.get("include_prompt") is False


def read_modules(folder: Path) -> tuple[Module, ...]:
    """Return the modules in order; none when there is no `modules.json`.

    Raises CorruptModelError for unreadable files, and UnsupportedModelError when a module is
    code of the model's own, or the transformer is not at the top of the folder.
    """
    file = folder / "modules.json"
    if not file.is_file():
        return ()
    listed = read_json(file, list)
    try:
        modules = tuple(_module(folder, str(each["type"]), str(each["path"])) for each in listed)
    except (TypeError, KeyError) as error:
        raise CorruptModelError(f"{file} has an entry without 'type' or 'path'; fetch the model again") from error
    if not modules or modules[0].kind != "Transformer" or modules[0].folder != folder:
        raise UnsupportedModelError(f"{file} does not begin with a Transformer at the top of the folder")
    return modules


def read_json(file: Path, kind: type) -> Any:
    """Read a JSON file that must hold a `kind`; an absent one counts as empty."""
    if not file.is_file():
        return kind()
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CorruptModelError(f"{file} is no valid JSON ({error}); fetch the model again") from error
    if not isinstance(content, kind):
        wanted = "object" if kind is dict else kind.__name__
        raise CorruptModelError(f"{file} must hold a JSON {wanted}, not {type(content).__name__}")
    return content


def _module(folder: Path, type_: str, path: str) -> Module:
    package, kind = type_.partition(".")[0], type_.rpartition(".")[2]
    if package not in _PACKAGES:
        raise UnsupportedModelError(
            f"{folder / 'modules.json'} asks for {type_!r}, which is code of the model's own and is not run;"
            " put a ready-made ONNX file into the folder as model.onnx"
        )
    if ".." in Path(path).parts or Path(path).is_absolute():
        raise CorruptModelError(f"{folder / 'modules.json'} points outside its folder: {path!r}")
    return Module(kind, folder / path, read_json(folder / path / "config.json", dict) if path else {})
