"""A long scoring job that may be cut off at any moment: one file a part, written whole or not at all.

    OUT/job.json          what is scored with what; a job of another kind is refused
    OUT/part-000000.jsonl the scores of a part, in the order of its pairs
    OUT/done.json         written last: how many pairs, by which scorer, what was degraded

A part that is there is never scored again, and one that is not there is scored whole. So every pair
has exactly one score, however often the job was cut off, and whichever worker died.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from shortlist._optional import require
from shortlist.errors import InputError, ScoreError, StoreError
from shortlist.scale.drafts import remove_needless, translated, whole
from shortlist.scale.pairs import Pair, Part, parts_of, read_part
from shortlist.scale.scoring import PartScorer

ROWS = 2000
"""Pairs a part: some seconds of work, so that little is lost with a worker and progress is seen."""

_NOTE = "job.json"


@dataclass(frozen=True, slots=True)
class Scored:
    """A part's scores, in the order of its pairs, with the ids they go by."""

    number: int
    query_ids: tuple[str, ...]
    doc_ids: tuple[str, ...]
    scores: tuple[float, ...]
    scorer: str
    remarks: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, part: Part, pairs: Sequence[Pair], scores: Sequence[float], *, scorer: str, remarks: Sequence[str] = ()
    ) -> Scored:
        """Put pairs and scores together. Raises ScoreError when their numbers differ."""
        if len(scores) != len(pairs):
            raise ScoreError(f"{scorer} gave {len(scores)} scores for the {len(pairs)} pairs of part {part.number}")
        ids = [(pair.query_id, pair.doc_id) for pair in pairs]
        return cls(
            part.number, tuple(q for q, _ in ids), tuple(d for _, d in ids), tuple(scores), scorer, tuple(remarks)
        )


Runner = Callable[[Sequence[Part]], Iterable[Scored]]
"""Scores parts, in any order: `in_process`, or a cluster."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a job came to. `resumed` parts were there before."""

    pairs: int
    parts: int
    resumed: int
    scorer: str
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """Score the pairs of a file with a model into a folder; `options` are the scorer's, `rows` a part has.

    `made_of` are the files that the pairs were made of, by what they are ("run"): another one is another job.
    """

    pairs: Path
    out: Path
    model: str
    options: Mapping[str, Any]
    rows: int = ROWS
    made_of: Mapping[str, Path] = field(default_factory=dict)

    def run(self, runner: Runner, *, watch: Callable[[int, int], None] = lambda done, total: None) -> Done:
        """Score what is not scored yet. `watch` is told how many parts are there, and of how many.

        Raises InputError for another job's folder or a pair that cannot be read, StorageFullError, and what
        the scorer raises. Everything written before stays and counts at the next run.
        """
        parts = parts_of(self.pairs, rows=self.rows)
        self._claim()
        missing = [part for part in parts if not self._file(part.number).exists()]
        resumed, there = len(parts) - len(missing), len(parts) - len(missing)
        scorer, remarks = self._before()
        watch(there, len(parts))
        for scored in runner(missing) if missing else ():
            if scorer and scored.scorer != scorer:
                raise InputError(
                    f"part {scored.number} was scored by {scored.scorer}, others by {scorer}; their scores cannot be"
                    f" compared. Give the workers the same engine and precision, or begin anew in an empty folder"
                )
            scorer = scored.scorer
            remarks += [f"part {scored.number}: {text}" for text in scored.remarks]
            self._write_part(parts[scored.number], scored)
            _write_json(self.out / "remarks.json", {"scorer": scorer, "remarks": remarks})
            there += 1
            watch(there, len(parts))
        return self._finish(parts, resumed, scorer, remarks)

    def _claim(self) -> None:
        """Note what the folder is for, or check that it is for this."""
        wanted = {
            **{name: _told(file) for name, file in self.made_of.items()},
            "pairs": _told(self.pairs),
            "model": self.model,
            "options": {name: str(value) for name, value in sorted(self.options.items())},
            "rows": self.rows,
        }
        file = self.out / _NOTE
        if is_new(self.out):
            _write_json(file, wanted)
            return
        before = _read_json(file)
        if isinstance(before.get("pairs"), str):
            raise InputError(f"{self.out} holds a job of an earlier version of shortlist; give another folder")
        changed = [name for name, value in wanted.items() if before.get(name) != value]
        if changed:
            raise InputError(
                f"{self.out} holds a job with another {changed[0]} ({before.get(changed[0])!r}, now"
                f" {wanted[changed[0]]!r}); go on with the same, or give another folder"
            )

    def _before(self) -> tuple[str, list[str]]:
        file = self.out / "remarks.json"
        if not file.exists():
            return "", []
        found = _read_json(file)
        return str(found["scorer"]), list(found["remarks"])

    def _file(self, number: int) -> Path:
        return self.out / f"part-{number:06d}{self.pairs.suffix}"

    def _write_part(self, part: Part, scored: Scored) -> None:
        if len(scored.scores) != part.rows:
            raise ScoreError(f"part {part.number} has {part.rows} pairs and came back with {len(scored.scores)} scores")
        rows = [
            {"query_id": query_id, "doc_id": doc_id, "score": score}
            for query_id, doc_id, score in zip(scored.query_ids, scored.doc_ids, scored.scores, strict=True)
        ]
        file = self._file(part.number)
        with whole(file) as draft:
            if file.suffix == ".parquet":
                table = require("pyarrow", extra="ray").Table.from_pylist(rows)
                require("pyarrow.parquet", extra="ray").write_table(table, draft)
            else:
                draft.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")

    def _finish(self, parts: Sequence[Part], resumed: int, scorer: str, remarks: Sequence[str]) -> Done:
        missing = [part.number for part in parts if not self._file(part.number).exists()]
        if missing:
            raise ScoreError(f"{len(missing)} parts were not scored, the first is {missing[0]}; run the job again")
        done = Done(sum(part.rows for part in parts), len(parts), resumed, scorer, tuple(remarks))
        _write_json(self.out / "done.json", asdict(done))
        remove_needless(self.out)
        return done


def is_new(out: Path) -> bool:
    """Make a job's folder, and say whether none was begun there. Raises InputError when it holds something else."""
    with translated(out):
        out.mkdir(parents=True, exist_ok=True)
        there = [one.name for one in out.iterdir() if not one.name.startswith(".")]
    if there and _NOTE not in there:
        raise InputError(f"{out} holds something else; give an empty folder, or one that does not exist")
    return not there


def scored_pairs(out: Path) -> Iterable[tuple[str, str, float]]:
    """Give (query_id, doc_id, score) of a folder's parts, in the order of the pairs."""
    for file in sorted(out.glob("part-*")):
        if file.suffix == ".parquet":
            rows = require("pyarrow.parquet", extra="ray").read_table(file).to_pylist()
        else:
            rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        for row in rows:
            yield row["query_id"], row["doc_id"], float(row["score"])


def in_process(model: str, options: Mapping[str, Any]) -> Runner:
    """Return a runner that scores one part after another, here."""

    def runner(parts: Sequence[Part]) -> Iterable[Scored]:
        scorer = PartScorer(model, options)
        return (score_part(scorer, part) for part in parts)

    return runner


def score_part(scorer: PartScorer, part: Part) -> Scored:
    """Read a part and score it: what every worker does, whichever machine it is on."""
    pairs = read_part(part)
    scores, remarks = scorer.score(pairs)
    return Scored.of(part, pairs, scores, scorer=scorer.fingerprint, remarks=remarks)


def _told(file: Path) -> list[str | int]:
    found = file.stat()
    return [str(file.resolve()), found.st_size, found.st_mtime_ns]


def _write_json(file: Path, value: Mapping[str, Any]) -> None:
    with whole(file) as draft:
        draft.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def _read_json(file: Path) -> Mapping[str, Any]:
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"cannot read {file}: {error}") from error
    return found
