"""From a model's name to its files: packaged, a folder, or a hub repository."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shortlist._optional import require
from shortlist.errors import CorruptModelError, ModelNotFoundError
from shortlist.weights import find_packaged, packaged_models

_READY_MADE = ("model.onnx", "onnx/model.onnx", "openvino_model.xml", "openvino/openvino_model.xml")
_HUB_FILES = ["*.json", "*.onnx", "*.onnx_data", "openvino/*", "model*.safetensors"]
_SAMPLES, _BLOCK = 64, 1 << 16


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model's files on disk, with its `config.json` and the name it was asked for by."""

    name: str
    path: Path
    config: Mapping[str, Any]

    @property
    def ready_made(self) -> Path | None:
        """The ONNX or OpenVINO file that is already there, or None."""
        return next((self.path / file for file in _READY_MADE if (self.path / file).is_file()), None)

    @property
    def max_length(self) -> int:
        """The longest sequence in tokens, special tokens included."""
        limits = [self._json(file).get(key) for file, key in _LIMITS]
        positions = int(self.config.get("max_position_embeddings", 512))
        if self.config.get("model_type") in {"roberta", "xlm-roberta", "camembert"}:
            positions -= int(self.config.get("pad_token_id") or 0) + 1  # their positions start behind the padding id
        return min([positions, *(int(limit) for limit in limits if isinstance(limit, int) and limit > 0)])

    @property
    def pad_id(self) -> int:
        """The token id that fills a batch: the configuration's, else the tokenizer's padding token, else 0."""
        declared = self.config.get("pad_token_id")
        if declared is not None:
            return int(declared)
        tokenizer = self._json("tokenizer_config.json")
        name = tokenizer.get("pad_token")
        name = name.get("content") if isinstance(name, dict) else name
        named = (tokenizer.get("added_tokens_decoder") or {}).items()
        return next((int(i) for i, token in named if name is not None and token.get("content") == name), 0)

    @property
    def labels(self) -> int:
        """How many labels a classification head has, by the configuration."""
        if "num_labels" in self.config:
            return int(self.config["num_labels"])
        return len(self.config.get("id2label") or {0: "LABEL_0", 1: "LABEL_1"})

    def fingerprint(self) -> str:
        """Identify the weights by name and a hash of sizes and of evenly spaced blocks of the files."""
        digest = hashlib.sha256()
        files = [
            f for f in self.path.rglob("*") if f.suffix in {".onnx", ".safetensors", ".bin", ".xml"} and f.is_file()
        ]
        for file in sorted(files):
            size = file.stat().st_size
            digest.update(f"{file.relative_to(self.path)}:{size};".encode())
            with file.open("rb") as content:
                for sample in range(_SAMPLES):
                    content.seek(max(0, size - _BLOCK) * sample // (_SAMPLES - 1))
                    digest.update(content.read(_BLOCK))
        return f"{self.path.name if Path(self.name).is_dir() else self.name}@{digest.hexdigest()[:12]}"

    def _json(self, file: str) -> Mapping[str, Any]:
        return _read_json(self.path / file) if (self.path / file).is_file() else {}


_LIMITS = (
    ("tokenizer_config.json", "model_max_length"),
    ("sentence_bert_config.json", "max_seq_length"),
    ("shortlist.json", "max_length"),
)


def find_model(name: str, *, revision: str | None = None, with_code: bool = False) -> ModelFolder:
    """Find a model: a packaged name, a folder with `config.json`, or a hub repository `owner/name`.

    A packaged model's checksums are verified. A hub repository is fetched with
    `huggingface_hub` (its cache, mirrors, tokens and offline mode apply), its Python files
    only `with_code`. Raises
    ModelNotFoundError that lists what there is, CorruptModelError for unreadable files.
    """
    packaged = find_packaged(name)
    if packaged is not None:
        packaged.verify()
        return ModelFolder(name, packaged.folder, _read_json(packaged.folder / "config.json"))
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ModelNotFoundError(f"{folder} has no config.json, so it is no model folder")
        return ModelFolder(name, folder, _read_json(folder / "config.json"))
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        fetched = _fetch(name, revision, [*_HUB_FILES, "*.py"] if with_code else _HUB_FILES)
        return ModelFolder(name, fetched, _read_json(fetched / "config.json"))
    known = ", ".join(model.name for model in packaged_models())
    raise ModelNotFoundError(
        f"no model {name!r}: it is neither packaged ({known}), nor a folder, nor a hub repository 'owner/name'"
    )


def _fetch(name: str, revision: str | None, files: list[str]) -> Path:
    hub = require("huggingface_hub", extra="hub")
    try:
        return Path(hub.snapshot_download(name, revision=revision, allow_patterns=files))
    except Exception as error:  # many kinds: no network, no such repository, gated, no space
        raise ModelNotFoundError(
            f"cannot fetch {name!r} from the hub ({type(error).__name__}: {str(error).splitlines()[0]});"
            " check the name and the network, or give the path of a folder that holds the model"
        ) from error


def _read_json(file: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelNotFoundError(f"{file} is missing") from error
    except ValueError as error:
        raise CorruptModelError(f"{file} is no valid JSON ({error}); fetch the model again") from error
    if not isinstance(content, dict):
        raise CorruptModelError(f"{file} must hold a JSON object, not {type(content).__name__}")
    return content
