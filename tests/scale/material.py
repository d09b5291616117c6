"""Files of pairs, and runners that break."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from shortlist.scale.job import Scored
from shortlist.scale.pairs import Part

WORDS = ["wing", "swept", "lift", "drag", "soup", "onion", "reactor", "heat", "exchanger", "boundary", "layer", "flow"]
MODEL = "lexical:words"
CROSS_ENCODER = "shortlist-minilm-l6"
OPTIONS: dict[str, Any] = {"engine": "onnxruntime", "precision": "fp32"}
ONE_CORE: dict[str, Any] = {**OPTIONS, "threads": 1}


def rows(count: int, *, each: int = 7) -> list[dict[str, str]]:
    """Rows of queries with `each` documents, the last query with fewer."""
    return [
        {
            "query_id": f"q{i // each}",
            "query": f"{WORDS[i // each % 12]} {WORDS[(i // each + 5) % 12]}",
            "doc_id": f"d{i}",
            "text": " ".join(WORDS[(i * 5 + j * (i % 3 + 1)) % 12] for j in range(3 + i % 11)),
        }
        for i in range(count)
    ]


def write_jsonl(path: Path, content: Iterable[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in content), encoding="utf-8")
    return path


class CutError(Exception):
    """What stands for the end of a process."""


class Cut:
    """Gives the first results of a runner, in another order than asked, and then is gone."""

    def __init__(self, runner: Any, *, after: int) -> None:
        self._runner, self._after = runner, after
        self.scored: list[int] = []

    def __call__(self, parts: Sequence[Part]) -> Iterator[Scored]:
        for scored in self._runner(list(reversed(parts))):
            if len(self.scored) == self._after:
                raise CutError
            self.scored.append(scored.number)
            yield scored
