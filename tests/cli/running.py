"""The command line as a user meets it: in this process, or in one of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import shortlist
from shortlist.cli import main

SOURCE = Path(shortlist.__file__).parents[1]
RANKING = ["degradations", "latency_ms", "partial", "query", "results", "score_kind", "stage", "trace", "unscored"]
"""The names that the JSON of a ranking has."""
PATIENCE_S = 240  # far more than anything takes; a test that waits longer hangs


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Read stdout as strict JSON: no NaN, and nothing else beside it."""
        return json.loads(self.out, parse_constant=_refuse)

    def texts(self) -> list[str]:
        """The documents of a ranking, in its order."""
        return [item["text"] for item in self.json()["results"]]


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


Stream = Callable[[], io.TextIOWrapper]


def run(*arguments: object, stdin: bytes = b"", encoding: str = "utf-8") -> Outcome:
    """Run a command in this process, with streams as a terminal of that encoding gives them."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding) for _ in range(2))
    code: object = 0
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding)),
    ):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as left:
            code = left.code
    said = [_bytes_of(stream).decode(encoding) for stream in (out, err)]
    return Outcome(code if isinstance(code, int) else int(code is not None), *said)


def _bytes_of(stream: io.TextIOWrapper) -> bytes:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue()


def start(*arguments: object, source: Path = SOURCE, **options: Any) -> subprocess.Popen[bytes]:
    """Start a command in a process of its own, with Ctrl-C at work even where the tests run in the background."""
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    return subprocess.Popen(
        [sys.executable, "-c", f"{code}; from shortlist.cli import main; main()", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(source)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def ended(process: subprocess.Popen[bytes]) -> Outcome:
    """Wait for a process to end."""
    with process:
        out, err = process.communicate(timeout=PATIENCE_S)
    return Outcome(process.returncode, out.decode(), err.decode())
