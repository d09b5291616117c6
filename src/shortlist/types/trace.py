"""What every stage did, what it skipped, and how long it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

TOOK_OVER = "took_over"  # names in a step's facts the model that took another's place
QUERY_CUT = "(query)"  # stands in a truncation for the id of a document
_TOKENS = ("tokens", "total_tokens", "prompt_tokens", "completion_tokens")  # of models here, elsewhere, and prompted


@dataclass(frozen=True, slots=True)
class Truncation:
    """A document of which the model saw `seen` of `total` tokens (query and special tokens not counted).

    With `QUERY_CUT` for a `doc_id` it is the query that was cut.
    """

    doc_id: str
    seen: int
    total: int

    @property
    def extent(self) -> str:
        """How much was read, in words."""
        return f"read {self.seen} of {self.total} tokens"


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of a query's way: its name, latency, numbers, and every degradation.

    `counts` are plain numbers (documents in and out, tokens, batches). `facts` are short
    texts (model, precision, engine). `degradations` say in words what was truncated,
    skipped, fell back or came from a cache; an empty tuple means that nothing was.
    `truncations` name each document that was not read to its end.
    """

    stage: str
    latency_ms: float = 0.0
    counts: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    degradations: tuple[str, ...] = ()
    truncations: tuple[Truncation, ...] = ()

    @classmethod
    def joined(cls, steps: Sequence[Step]) -> Step:
        """Make one step of those that read a query's documents in parts: numbers add up, all else is kept once."""
        names = dict.fromkeys(name for step in steps for name in step.counts)
        return cls(
            steps[0].stage,
            sum(step.latency_ms for step in steps),
            {name: sum(step.counts.get(name, 0) for step in steps) for name in names},
            steps[-1].facts,
            _added_up([note for step in steps for note in step.degradations]),
            tuple(
                cut
                for place, step in enumerate(steps)
                for cut in step.truncations
                if cut.doc_id != QUERY_CUT or not place  # each part has the same query
            ),
        )

    @property
    def tokens(self) -> int:
        """The tokens that a model read (and wrote), as far as they were counted."""
        return sum(self.counts.get(name, 0) for name in _TOKENS)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "stage": self.stage,
            "latency_ms": round(self.latency_ms, 3),
            "counts": {name: int(count) for name, count in self.counts.items()},  # numpy's are no JSON
            "facts": dict(self.facts),
            "degradations": list(self.degradations),
            "truncations": [{"doc_id": t.doc_id, "seen": t.seen, "total": t.total} for t in self.truncations],
        }


@dataclass(frozen=True, slots=True)
class Trace:
    """The steps of one query, in order."""

    steps: tuple[Step, ...] = ()

    def then(self, *steps: Step) -> Trace:
        """Return this trace with more steps at its end."""
        return Trace(self.steps + steps)

    @property
    def latency_ms(self) -> float:
        """The sum of the steps' latencies."""
        return sum(step.latency_ms for step in self.steps)

    @property
    def degradations(self) -> tuple[str, ...]:
        """Every degradation of every step, each with its stage."""
        return tuple(f"{step.stage}: {text}" for step in self.steps for text in step.degradations)

    @property
    def stand_in(self) -> str:
        """The model that took another's place, too slow for a budget or failed; empty where none did."""
        return next((step.facts[TOOK_OVER] for step in reversed(self.steps) if TOOK_OVER in step.facts), "")


def _added_up(notes: Sequence[str]) -> tuple[str, ...]:
    """Make one note of those that differ only in the number that they begin with, and in what follows a semicolon."""
    counts: dict[str, int] = {}
    details: dict[str, str] = {}
    for note in notes:
        number, _, rest = note.partition(" ")
        if not (rest and number.isdecimal()):
            counts[note] = 0
            continue
        what, _, detail = rest.partition("; ")
        counts[what] = counts.get(what, 0) + int(number)
        details[what] = detail if details.get(what, detail) == detail else ""  # of one part, such as its longest text
    return tuple(
        f"{count} {what}{f'; {details[what]}' if details[what] else ''}" if what in details else what
        for what, count in counts.items()
    )
