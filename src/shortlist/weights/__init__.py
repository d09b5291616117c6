"""The models in the wheel, and in packages of their own, each a folder with its card and checksums."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shortlist.errors import CorruptModelError

_OF_EXTRAS = {"multilingual-e5-small": "multilingual"}
_PACKAGES = ("shortlist.weights", "shortlist_multilingual")


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """A model folder inside a package and its card (`card.json`)."""

    name: str
    folder: Path
    card: Mapping[str, Any]

    def verify(self) -> None:
        """Compare every file with its SHA-256 in the card; raises CorruptModelError that names the file."""
        for file, expected in self.card["sha256"].items():
            path = self.folder / file
            if not path.is_file():
                raise CorruptModelError(f"{path} is missing; install shortlist again")
            with path.open("rb") as content:
                digest = hashlib.sha256()
                while block := content.read(1 << 20):
                    digest.update(block)
            if digest.hexdigest() != expected:
                raise CorruptModelError(
                    f"{path} is damaged (SHA-256 {digest.hexdigest()[:12]}..., expected {expected[:12]}...);"
                    " install shortlist again: pip install --force-reinstall --no-deps shortlist"
                )


def packaged_models() -> tuple[PackagedModel, ...]:
    """List the packaged models, those of the wheel first, by name."""
    return tuple(_read(card.parent) for root in _roots() for card in sorted(root.glob("*/card.json")))


def find_packaged(name: str) -> PackagedModel | None:
    """Return the packaged model of that name, or None when there is none."""
    return next((model for model in packaged_models() if model.name == name), None)


def extra_of(name: str) -> str:
    """Return the extra that brings a model in a package of its own; empty for every other name."""
    return _OF_EXTRAS.get(name, "")


def _roots() -> list[Path]:
    found = [importlib.util.find_spec(package) for package in _PACKAGES]
    return [Path(place) for spec in found if spec for place in spec.submodule_search_locations or ()]


def _read(folder: Path) -> PackagedModel:
    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        return PackagedModel(card["name"], folder, card)
    except (ValueError, KeyError) as error:
        raise CorruptModelError(f"{folder / 'card.json'} is damaged ({error}); install shortlist again") from error
