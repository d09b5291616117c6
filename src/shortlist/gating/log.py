"""What reranking changed, query by query, in a file: what a gate is trained on."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict
from pathlib import Path

from shortlist.errors import InputError
from shortlist.gating.features import NAMES, Features, features_of
from shortlist.gating.logistic import Logged
from shortlist.types import Ranking


def logged(candidates: Ranking, reranked: Ranking, *, top_k: int) -> Logged:
    """Say whether other documents are among the first `top_k` after reranking; their order there does not count."""
    changed = set(candidates.doc_ids[:top_k]) != set(reranked.doc_ids[:top_k])
    return Logged(features_of(candidates, top_k=top_k), changed)


def append(file: Path, one: Logged) -> None:
    """Add a line of JSON to a file, which is made if need be; no text of the query or the documents is kept.

    Several processes may write to it: a line is one write.
    """
    line = json.dumps({"features": asdict(one.features), "was_worth_it": one.was_worth_it}) + "\n"
    _append(file, line.encode("ascii"))


def make_ready(file: Path) -> None:
    """Make the file if need be; raises InputError where it cannot be written, before any work is done for it."""
    try:
        _append(file, b"")
    except OSError as error:
        raise InputError(f"cannot write the log {file}: {error.strerror}; name a file in a folder of yours") from error


def _append(file: Path, content: bytes) -> None:
    handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, content)
    finally:
        os.close(handle)


def read_log(file: Path) -> list[Logged]:
    """Read what `append` wrote; raises InputError that names the line, also when it holds other features than now."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the log {file}: {error}") from error
    return [_read(line, f"{file}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]


def _read(line: str, where: str) -> Logged:
    try:
        values = json.loads(line)
        features, was_worth_it = values["features"], values["was_worth_it"]
        if set(features) != set(NAMES) or not isinstance(was_worth_it, bool):
            raise ValueError(f"it needs {', '.join(NAMES)} and whether it was worth it")
        known = {name: float(features[name]) for name in NAMES}
        if not all(map(math.isfinite, known.values())):
            raise ValueError("its features must be finite numbers")
        return Logged(Features(**known), was_worth_it)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{where} is no logged reranking: {error}") from error
