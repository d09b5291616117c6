"""One system in a process: a JSON line in (query, documents), a JSON line out (scores, milliseconds, peak memory).

    PYTHON -m benchmarks.speed.peers.worker SYSTEM FOLDER

The clock runs here, around the library's own call, tokenising included, so that the pipe costs nobody anything.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def main(arguments: Sequence[str]) -> None:
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints goes to stderr
    from benchmarks.speed.peers.systems import SYSTEMS

    version, score = SYSTEMS[arguments[0]](Path(arguments[1]))
    _reply(replies, {"version": version})
    for line in sys.stdin:
        asked = json.loads(line)
        began = time.perf_counter()
        scores = score(asked["query"], asked["documents"])
        taken = (time.perf_counter() - began) * 1000
        _reply(replies, {"scores": [float(value) for value in scores], "ms": taken, "peak_mb": _peak_mb()})
    os._exit(0)  # sentence-transformers' ONNX backend hung at the interpreter's own end


def _reply(replies: Any, content: object) -> None:
    replies.write(json.dumps(content) + "\n")
    replies.flush()


def _peak_mb() -> float | None:
    """Return the largest resident size so far; None where the system does not say (Linux does)."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), None)


if __name__ == "__main__":
    main(sys.argv[1:])
