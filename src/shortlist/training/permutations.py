"""Permutation distillation: windows that a language model ordered become training groups (Sun et al. 2023)."""

from __future__ import annotations

import gzip
import json
import threading
from dataclasses import asdict
from pathlib import Path

from shortlist.scorers.llm import RankedWindow
from shortlist.training.groups import Group


def group_of(window: RankedWindow) -> Group:
    """Return a window as a group: the passage ranked first is the positive, and the teacher's scores fall evenly.

    They fall from 1 to -1, as far as the cosines of other groups can.
    """
    last = max(1, len(window.documents) - 1)
    passages = tuple(document.full_text for document in window.documents)
    return Group(
        window.query.text, passages, tuple(1 - 2 * place / last for place in range(len(passages))), window.model
    )


class PermutationRecorder:
    """Writes every clean window to a file of groups; give it as `record` to a listwise reranker.

    A window whose answer had to be repaired is only counted: part of its order is the
    earlier one, not the teacher's. Safe in threads. Used in a `with` block, after which the
    file is complete; an existing file is written anew.
    """

    def __init__(self, path: Path) -> None:
        self._file = gzip.open(path, "wt", encoding="utf-8")  # noqa: SIM115 - closed in __exit__
        self._lock = threading.Lock()
        self.written = self.repaired = 0

    def __call__(self, window: RankedWindow) -> None:
        """Take one window."""
        line = json.dumps(asdict(group_of(window)), ensure_ascii=False)
        with self._lock:
            if window.repairs:
                self.repaired += 1
                return
            self._file.write(line.encode("utf-8", "replace").decode("utf-8") + "\n")
            self.written += 1

    def __enter__(self) -> PermutationRecorder:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
