"""`shortlist serve` as a process: signals, and clients in other processes' shoes."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
COMMAND = (sys.executable, "-c", "from shortlist.cli import main; main()", "serve")
BODY = json.dumps({"query": "tall iron tower", "documents": [f"iron tower number {i}" for i in range(20)]})


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start the command with a model that loads at once, and yield its process and port."""
    command = [*COMMAND, "--port", "0", *options]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True, env={**os.environ})
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if line.startswith("serving at "):
                yield process, int(line.rsplit(":", 1)[1])
                return
        raise AssertionError("the server ended before it served")
    finally:
        process.kill()
        process.communicate()


def ask(port: int, body: str = BODY) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", "/v1/rerank", body)
        return len(json.loads(connection.getresponse().read())["results"])
    finally:
        connection.close()


def test_sigterm_under_load_answers_every_request_that_was_let_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHORTLIST_SERVE_MAX_WAIT_MS", "60000")  # however busy the machine, all are let in
    with serving(tmp_path, "--model", "shortlist-l6") as (process, port):
        drained = threading.Thread(target=process.stderr.read, daemon=True)  # type: ignore[union-attr]
        drained.start()
        sent: list[int] = []
        answered: list[int] = []

        def client(number: int) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            body = json.dumps({"query": f"tower {number}", "documents": [f"{number} iron {i} " * 20 for i in range(8)]})
            connection.request("POST", "/v1/rerank", body)
            sent.append(number)
            answered.append(len(json.loads(connection.getresponse().read())["results"]))
            connection.close()

        with ThreadPoolExecutor(8) as many:
            asked = [many.submit(client, number) for number in range(8)]
            while len(sent) < 8:
                threading.Event().wait(0.01)
            threading.Event().wait(0.1)  # what was sent has arrived
            process.send_signal(signal.SIGTERM)
            for one in asked:
                one.result()
        assert answered == [8] * 8
        assert process.wait(20) in {0, -signal.SIGTERM}


def test_after_kill_9_the_same_command_serves_again(tmp_path: Path) -> None:
    for _ in range(2):
        with serving(tmp_path, "--model", "shortlist-minilm-l6") as (process, port):
            assert ask(port) == 20
            process.kill()
            process.wait(10)


def test_check_prints_the_settings_and_names_what_is_wrong(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-c",
        "from shortlist.cli import main; main()",
        "serve",
        "--check",
        "--model",
        "shortlist-minilm-l6",
    ]
    misspelt = {**os.environ, "SHORTLIST_SERVE_KEYS": "absent", "SHORTLIST_SERVE_SPEED": "1"}
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, env=misspelt)
    assert "SHORTLIST_SERVE_KEYS is read by nothing; did you mean SHORTLIST_SERVE_KEYS_FILE?" in checked.stderr
    assert "no settings: SHORTLIST_SERVE_SPEED (" in checked.stderr
    assert json.loads(checked.stdout)["port"] == 8765, checked.stderr
    wrong = subprocess.run([*command, "--keys", "absent"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert wrong.returncode == 1
    assert "absent" in wrong.stderr
