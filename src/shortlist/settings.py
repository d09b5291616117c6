"""Settings from a TOML file and the environment, read only when asked."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from shortlist.errors import SettingsError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE_NAME = "shortlist.toml"
PREFIX = "SHORTLIST_"
DEFAULT_MODEL = "shortlist-l6"
DEFAULT_ENCODER = "all-minilm-l6-v2"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a command or a pipeline uses when its caller names nothing else.

    `model` and `encoder`: packaged name, folder or hub repository; a model of another kind as
    `kind:name`, e.g. "cohere:rerank-v3.5" or "tei:http://localhost:8080". `fallback`: models
    asked in turn when it fails (in the environment: separated by spaces). `engine`: "auto",
    "openvino", "onnxruntime" or "torch". `precision`: "auto", "fp32", "bf16", "fp16" or "int8".
    `device`: where the reranker runs, "auto", "cpu", "cuda" or "cuda:1"; a GPU needs torch.
    `threads`: 0 for as many as this process has cores. `long_documents`: see `LongDocuments`;
    "auto" is the model's own way, for most "head".
    `depth`: candidates from the first stage. `top_k`: how many come out.
    """

    model: str = DEFAULT_MODEL
    encoder: str = DEFAULT_ENCODER
    engine: str = "auto"
    precision: str = "auto"
    device: str = "auto"
    threads: int = 0
    long_documents: str = "auto"
    depth: int = 100
    top_k: int = 5
    fallback: tuple[str, ...] = ()

    @classmethod
    def load(cls, *, file: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
        """Read `file` (if any), then `SHORTLIST_DEPTH` and its like from `environ`, which win.

        Raises SettingsError that names the file or variable, the value and what is allowed.
        """
        settings = cls()
        if file is not None:
            settings = replace(settings, **_checked(_read(file), f"{file}: "))
        found = {
            name[len(PREFIX) :].lower(): value for name, value in (environ or {}).items() if name.startswith(PREFIX)
        }
        known = {name: value for name, value in found.items() if name in _TYPES}
        return replace(settings, **_checked(known, "environment: "))


_BY_NAME: dict[str, Callable[[Any], Any]] = {"int": int, "str": str, "tuple[str, ...]": tuple}
_TYPES = {f.name: _BY_NAME[str(f.type)] for f in fields(Settings)}
_LEAST = {"threads": 0, "depth": 1, "top_k": 1}


def _read(file: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read the settings file {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is no valid TOML: {error}") from error


def _checked(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    unknown = sorted(set(values) - set(_TYPES))
    if unknown:
        raise SettingsError(f"{where}unknown setting {unknown[0]!r}; known are {', '.join(_TYPES)}")
    return {name: _one(name, value, where) for name, value in values.items()}


def _one(name: str, value: Any, where: str) -> Any:
    wanted = _TYPES[name]
    if wanted is str:
        if not isinstance(value, str) or not value:
            raise SettingsError(f"{where}{name} must be a text, got {value!r}")
        return value
    if wanted is tuple:
        texts = value.split() if isinstance(value, str) else value
        if not isinstance(texts, list) or not all(isinstance(text, str) and text for text in texts):
            raise SettingsError(f"{where}{name} must be a list of texts, got {value!r}")
        return tuple(texts)
    try:
        number = int(value) if isinstance(value, int | str) and not isinstance(value, bool) else None
    except ValueError:
        number = None
    if number is None or number < _LEAST[name]:
        raise SettingsError(f"{where}{name} must be a whole number from {_LEAST[name]}, got {value!r}")
    return number
