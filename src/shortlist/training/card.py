"""The card of a trained model, and what a folder says beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shortlist.inference.export.stages import EXIT_HEADS


def write_card(folder: Path, content: Mapping[str, Any]) -> None:
    """Write `card.json` with the checksums of the files beside it."""
    kept = (
        ".onnx",
        ".safetensors",
        ".npy",
        "config.json",
        "modules.json",
        "sentence_transformers.json",
        "tokenizer.json",
        "exits.json",
    )
    files = [file for file in sorted(folder.iterdir()) if file.name.endswith(kept)]
    sums = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    card = json.dumps({**content, "sha256": sums}, indent=1, ensure_ascii=False)
    (folder / "card.json").write_text(card + "\n", encoding="utf-8")


def clear(folder: Path) -> None:
    """Remove what says of a model that was trained into a folder before how it is read, and of another one not."""
    for name in (EXIT_HEADS, "modules.json", "config_sentence_transformers.json"):
        (folder / name).unlink(missing_ok=True)
