"""The Dockerfile without a container engine: what its steps can read, what they install, and as whom it runs."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NOBODY = 10001


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction: its word, and what stands behind it."""

    word: str
    rest: str


def steps() -> list[Step]:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    return [Step(*line.split(" ", 1)) for line in lines if line and not line.startswith("#")]


def stages() -> list[list[Step]]:
    found: list[list[Step]] = []
    for step in steps():
        if step.word == "FROM":
            found.append([])
        found[-1].append(step)
    return found


def the(word: str) -> str:
    return next(step.rest for step in reversed(steps()) if step.word == word)


def test_it_runs_as_a_user_without_rights_and_says_how_it_is_doing() -> None:
    last = [step.word for step in stages()[-1]]
    assert the("USER") == str(NOBODY)
    assert f"--uid {NOBODY}" in next(step.rest for step in steps() if "useradd" in step.rest)
    assert last.index("USER") < last.index("ENTRYPOINT")
    assert "/ready" in the("HEALTHCHECK")
    assert json.loads(the("ENTRYPOINT")) == ["shortlist"]
    assert json.loads(the("CMD"))[:3] == ["serve", "--host", "0.0.0.0"]


def test_nothing_of_the_build_stage_but_the_environment_reaches_the_image() -> None:
    copied = [step.rest for step in stages()[-1] if step.word == "COPY"]
    assert copied == ["--from=build /opt/shortlist /opt/shortlist"]


def test_the_build_may_read_what_it_copies_and_nothing_else() -> None:
    """`.dockerignore` shuts everything out and lets in exactly what COPY names."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert lines[0] == "*"
    named = {word for step in stages()[0] if step.word == "COPY" for word in step.rest.split()[:-1]}
    assert {line[1:] for line in lines if line.startswith("!")} == named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def interpreter() -> str:
    """Return a Python that the image's user may run too: one below /root is for root alone."""
    for found in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        try:
            subprocess.run([found, "-c", "import ensurepip"], check=True, capture_output=True, **rights())
        except (OSError, subprocess.CalledProcessError):
            continue
        return found
    pytest.skip("there is no Python here that a user without rights may run")


def rights() -> dict[str, Any]:
    """Return how a process gives up its rights, where it has some."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": ()} if os.geteuid() == 0 else {}


def built(root: Path) -> Path:
    """Run COPY and RUN of the first stage with / as `root`, and return the environment that it makes."""
    source, environment = root / "source", root / "opt" / "shortlist"
    source.mkdir(parents=True)
    for step in stages()[0]:
        if step.word == "COPY":
            *names, target = step.rest.split()
            for name in names:
                path = source / target / name if target.endswith("/") else source / target
                shutil.copytree(ROOT / name, path) if (ROOT / name).is_dir() else shutil.copy(ROOT / name, path)
        if step.word == "RUN":
            words = [word.replace("/opt/shortlist", str(environment)) for word in shlex.split(step.rest)]
            words[0] = interpreter() if words[0] == "python" else words[0]
            subprocess.run(words, cwd=source, check=True, capture_output=True, timeout=900)
    return environment


@contextmanager
def running(command: Sequence[str], home: Path) -> Iterator[None]:
    """Run a command as nobody in particular, in an environment that holds only what the image sets."""
    values = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        command, cwd=home, env=values, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **rights()
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if "http://" in line:
                break
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


@pytest.fixture
def image() -> Iterator[Path]:
    """A folder that others may enter, which those of pytest are not: the user of the image is another."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="follows a Linux image")
def test_its_steps_build_an_environment_that_serves_as_that_user(image: Path) -> None:
    """Needs a package index; a minute. The disk of the image is read-only to the user, as with `--read-only`."""
    environment = built(image)
    assert not (environment / "bin" / "pip").exists()
    assert (environment / "share" / "man" / "man1" / "shortlist.1").is_file()
    home = image / "nowhere"
    home.mkdir(mode=0o555)
    command = [str(environment / "bin" / "shortlist"), *json.loads(the("CMD")), "--port", "18765"]
    with running(command, home):
        body = {"model": "x", "query": "how tall?", "documents": ["of iron", "330 metres tall"]}
        request = urllib.request.Request(
            "http://127.0.0.1:18765/v2/rerank", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as reply:
            assert json.loads(reply.read())["results"][0]["index"] == 1
    size = sum(file.stat().st_size for file in environment.rglob("*") if file.is_file()) / 2**20
    assert 100 < size < 500
