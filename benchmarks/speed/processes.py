"""The parent's side of `peers.worker`: start a system, ask it, end it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from shortlist.errors import InputError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Answer:
    """One score a document, in the given order, and what the call took by the worker's own clock."""

    scores: Floats
    ms: float
    peak_mb: float | None


class Worker:
    """A running system; the seconds from the process's start to its first answer are its cold start."""

    def __init__(self, name: str, python: str, folder: Path, *, log: Path) -> None:
        self.name = name
        self.version = ""
        self.cold_start_s = 0.0
        self._began = time.perf_counter()
        self._log = log.open("w", encoding="utf-8")
        command = [python, "-m", "benchmarks.speed.peers.worker", name, str(folder)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True, encoding="utf-8"
        )

    def warm_up(self, query: str, documents: Sequence[str]) -> None:
        """Wait until the system is loaded, and have it answer once; raises InputError when it cannot."""
        self.version = str(self._reply()["version"])
        self.ask(query, documents)
        self.cold_start_s = time.perf_counter() - self._began

    def ask(self, query: str, documents: Sequence[str]) -> Answer:
        """Have the documents scored; raises InputError when the process has ended."""
        into: IO[str] | None = self._process.stdin
        if into is None or self._process.poll() is not None:
            raise InputError(f"{self.name} ended; its messages are in {self._log.name}")
        into.write(json.dumps({"query": query, "documents": list(documents)}) + "\n")
        into.flush()
        found = self._reply()
        return Answer(np.asarray(found["scores"], dtype=np.float64), float(found["ms"]), found["peak_mb"])

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()

    def _reply(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise InputError(f"{self.name} ended before it answered; its messages are in {self._log.name}")
        found: dict[str, Any] = json.loads(line)
        return found
