"""Asks a generator, never twice the same, and writes every reply to a file as soon as it comes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from shortlist.errors import InputError
from shortlist.evaluation.files import at, read_objects
from shortlist.protocols import Generator
from shortlist.types import Completion, Prompt, monotonic_ms

_COUNTS = ("prompt_tokens", "completion_tokens")
_BEGINNING = b'{"key": "'  # of every reply's line
_REMEDY = "it is no file of replies: name another one, or delete the line and that reply is asked for again"


@dataclass(frozen=True, slots=True)
class Asked:
    """A completion, how long it took in ms when it was asked for, and whether that was in an earlier run."""

    completion: Completion
    latency_ms: float
    is_remembered: bool = field(default=False, compare=False)


@dataclass(slots=True)
class Desk:
    """A Generator in front of another: two systems often show the same passages, and their prompt is asked once.

    With a `file` (see `open`) it holds a JSON object a line: `key` (of generator and prompt),
    `text`, tokens and `latency_ms`.
    """

    generator: Generator
    file: Path | None = None
    known: dict[str, Asked] = field(default_factory=dict)

    @classmethod
    def open(cls, generator: Generator, file: Path) -> Desk:
        """Read the replies that a file holds, or begin one.

        The end of a line that a killed run did not finish is cut off. Raises InputError that
        names file, line and remedy for a file of something else, and for one that cannot be written.
        """
        try:
            with file.open("ab+") as stream:
                _cut_unfinished(file, stream)
        except OSError as error:
            raise InputError(f"cannot write {file}: {error.strerror}; name a file in a folder that is there") from error
        return cls(generator, file, dict(_replies(file)))

    @property
    def fingerprint(self) -> str:
        """The generator's."""
        return self.generator.fingerprint

    def generate(self, prompt: Prompt) -> Completion:
        """Return the completion; raises what the generator raises."""
        return self.ask(prompt).completion

    def ask(self, prompt: Prompt) -> Asked:
        """Return the completion with its latency, both from the first time it was asked for."""
        key = _key(self.fingerprint, prompt)
        if key not in self.known:
            began = monotonic_ms()
            completion = self.generator.generate(prompt)
            self.known[key] = Asked(completion, monotonic_ms() - began)
            self._keep(key, self.known[key])
        return self.known[key]

    def _keep(self, key: str, asked: Asked) -> None:
        if self.file is None:
            return
        completion = asked.completion
        row = {"key": key, "text": completion.text, "is_cut": completion.is_cut, "latency_ms": asked.latency_ms}
        line = json.dumps(row | {name: getattr(completion, name) for name in _COUNTS})
        try:
            with self.file.open("a", encoding="utf-8") as stream:
                stream.write(f"{line}\n")
        except OSError as error:
            raise InputError(
                f"cannot write {self.file}: {error.strerror}; the replies so far are kept in it"
            ) from error


def _key(fingerprint: str, prompt: Prompt) -> str:
    text = json.dumps([fingerprint, asdict(prompt)], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _cut_unfinished(file: Path, stream: Any) -> None:
    """Cut a binary stream, open for appending, behind its last line end; nothing is cut of a file of something else."""
    stream.seek(0)
    whole = stream.read()
    behind = whole.rfind(b"\n") + 1
    begun = whole[behind:]
    if begun[: len(_BEGINNING)] != _BEGINNING[: len(begun)]:
        raise at(file, whole.count(b"\n") + 1, "holds no reply", _REMEDY)
    stream.truncate(behind)


def _replies(file: Path) -> Iterator[tuple[str, Asked]]:
    for number, row in read_objects(file):
        yield _reply(file, number, row)


def _reply(file: Path, number: int, row: dict[str, Any]) -> tuple[str, Asked]:
    try:
        read, written = (int(row[name]) for name in _COUNTS)
        completion = Completion(str(row["text"]), read, written, is_cut=bool(row["is_cut"]))
        return str(row["key"]), Asked(completion, float(row["latency_ms"]), is_remembered=True)
    except (KeyError, TypeError, ValueError) as error:
        raise at(file, number, f"holds no reply ({error!r})", _REMEDY) from error
