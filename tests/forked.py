"""What holds in a process that is forked."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable


def in_a_fork(work: Callable[[], bool]) -> bool:
    """Say whether `work` holds in a process that is forked now."""
    child = os.fork()
    if not child:
        signal.alarm(60)  # it must not wait for threads that it lacks
        code = 1
        try:
            code = 0 if work() else 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
