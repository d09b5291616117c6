"""Where figures come from: command, commit, versions and hardware, to be stored beside them."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shortlist import __version__
from shortlist.evaluation import provenance as origin
from shortlist.evaluation.provenance import as_markdown
from shortlist.weights import find_packaged

__all__ = ["as_markdown", "keep", "provenance", "weights_of"]


def provenance(module: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Describe this run as plain JSON values."""
    command = shlex.join(["python", "-m", module, *map(_without_folder, arguments)])
    return {**origin.provenance(command, shortlist=__version__, also=("sentence-transformers",)), "commit": _commit()}


def keep(file: Path | None, values: Any) -> None:
    """Write a run's figures as JSON, where a file was named for them."""
    if file is not None:
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


def weights_of(models: Sequence[str]) -> dict[str, str]:
    """Return each packaged model's twelve first digits of the SHA-256 of its weights; a blend has its parts'."""
    found: dict[str, str] = {}
    for name in models:
        packaged = find_packaged(name)
        if packaged is None:
            continue
        found |= weights_of([part["model"] for part in packaged.card.get("parts", ())])
        if "model.onnx" in packaged.card["sha256"]:
            found[name] = packaged.card["sha256"]["model.onnx"][:12]
    return found


def _without_folder(argument: str) -> str:
    """Keep only the name of an absolute path: where a folder lies says nothing about a figure."""
    return Path(argument).name if Path(argument).is_absolute() else argument


def _commit() -> str:
    here = Path(__file__).parent
    try:
        found = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=here, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()
