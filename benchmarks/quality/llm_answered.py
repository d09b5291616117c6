"""What systems made of queries, saved line by line: a run that is killed goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from shortlist.types import Ranking

COUNTED = ("calls", "prompt_tokens", "completion_tokens")
_KNOWN = {*COUNTED, "documents", "calls_at_most"}  # what else a language model's step counts are repairs


@dataclass(frozen=True, slots=True)
class Answered:
    """One query's ranking by one system, and what it took; `setting` names collection, depth and what was shown."""

    setting: str
    system: str
    query_id: str
    doc_ids: tuple[str, ...]
    counts: dict[str, int]
    repairs: dict[str, int]
    seconds: float

    @classmethod
    def of(cls, setting: str, system: str, ranking: Ranking, seconds: float) -> Answered:
        """Take a ranking whose last step, if it asked a language model, counts calls, tokens and repairs."""
        counts = ranking.trace.steps[-1].counts if ranking.trace.steps else {}
        asked = {name: counts[name] for name in COUNTED if name in counts}
        repairs = {name: count for name, count in counts.items() if asked and name not in _KNOWN}
        return cls(setting, system, ranking.query.query_id, ranking.doc_ids, asked, repairs, seconds)


class Saved:
    """Answers in a file of JSON lines (or, without one, in memory); of two about the same, the later one counts."""

    def __init__(self, file: Path | None, *, again: Iterable[str] = ()) -> None:
        self._file = file
        self._known: dict[tuple[str, str, str], Answered] = {}
        for line in file.read_text(encoding="utf-8").splitlines() if file and file.is_file() else ():
            row = json.loads(line)
            self._keep(Answered(**{**row, "doc_ids": tuple(row["doc_ids"])}))
        forgotten = set(again)
        self._known = {key: one for key, one in self._known.items() if one.system not in forgotten}

    def get(self, setting: str, system: str, query_id: str) -> Answered | None:
        """Return what is known of a query, or None."""
        return self._known.get((setting, system, query_id))

    def add(self, one: Answered) -> None:
        """Keep an answer, and write it down at once."""
        self._keep(one)
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(asdict(one)) + "\n")

    def _keep(self, one: Answered) -> None:
        self._known[one.setting, one.system, one.query_id] = one
