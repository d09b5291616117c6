"""Typed access to a model folder's `config.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shortlist.errors import CorruptModelError, ModelNotFoundError


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of a model, with the folder they came from for the error messages."""

    folder: Path
    values: Mapping[str, Any]

    @classmethod
    def load(cls, folder: Path) -> Config:
        """Read `config.json`. Raises ModelNotFoundError when it is absent, CorruptModelError when it is damaged."""
        path = folder / "config.json"
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise ModelNotFoundError(
                f"{folder} holds no config.json; give the folder of a Hugging Face model"
            ) from error
        except (OSError, ValueError) as error:
            raise CorruptModelError(f"{path} cannot be read ({error}); fetch the model again") from error
        if not isinstance(values, dict):
            raise CorruptModelError(f"{path} holds {type(values).__name__}, not a JSON object; fetch the model again")
        return cls(folder, values)

    def integer(self, name: str, default: int | None = None, *, at_least: int = 1) -> int:
        """Return a whole number of `at_least`, or raise CorruptModelError."""
        value = self._get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
            raise self._bad(name, value, f"a whole number from {at_least}")
        return value

    def number(self, name: str, default: float) -> float:
        """Return a number above 0, or raise CorruptModelError."""
        value = self._get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise self._bad(name, value, "a number above 0")
        return float(value)

    def text(self, name: str, default: str) -> str:
        """Return a string, or raise CorruptModelError."""
        value = self._get(name, default)
        if not isinstance(value, str):
            raise self._bad(name, value, "a string")
        return value

    def flag(self, name: str, default: bool) -> bool:
        """Return true or false, or raise CorruptModelError."""
        value = self._get(name, default)
        if not isinstance(value, bool):
            raise self._bad(name, value, "true or false")
        return value

    def strings(self, name: str) -> tuple[str, ...]:
        """Return a list of strings, empty when the setting is absent, or raise CorruptModelError.

        One string stands for the list of its parts between `|`, as DeBERTa writes `c2p|p2c`.
        """
        value = self._get(name, [])
        if isinstance(value, str):
            value = [part.strip() for part in value.split("|")]
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._bad(name, value, "a list of strings")
        return tuple(value)

    def section(self, name: str) -> Config:
        """Return a nested object, empty when it is absent, or raise CorruptModelError."""
        value = self._get(name, {})
        if not isinstance(value, dict):
            raise self._bad(name, value, "an object")
        return Config(self.folder, value)

    def _get(self, name: str, default: object) -> Any:
        value = self.values.get(name)
        return default if value is None else value

    def _bad(self, name: str, value: object, wanted: str) -> CorruptModelError:
        return CorruptModelError(f"{self.folder / 'config.json'}: {name!r} must be {wanted}, but is {value!r:.80}")
