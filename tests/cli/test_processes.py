"""What only shows with real processes: kills, Ctrl-C, locks, pipes, full disks."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import shortlist
from shortlist.settings import DEFAULT_ENCODER

from .conftest import write_files
from .running import PATIENCE_S, ended, run, start

MANY = 200

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends signals")


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """So many small files that indexing them takes a while."""
    return write_files(tmp_path / "many", {f"{i:03}.txt": f"shared word, number{i}." for i in range(MANY)})


def committed(folder: Path) -> int:
    """Count the files that an indexing process has committed so far."""
    documents = folder / ".shortlist" / "documents.sqlite"
    try:
        connection = sqlite3.connect(f"{documents.as_uri()}?mode=ro", uri=True)
        with contextlib.closing(connection):
            return int(connection.execute("SELECT count(*) FROM sources").fetchone()[0])
    except sqlite3.OperationalError:  # not made yet
        return 0


def start_indexing(folder: Path, *, at_least: int) -> subprocess.Popen[bytes]:
    """Start `shortlist index` and wait until it has committed so many files."""
    process, began = start("index", folder, "--json"), time.monotonic()
    while committed(folder) < at_least:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() - began < PATIENCE_S
        time.sleep(0.01)
    return process


def found(folder: Path) -> list[str]:
    """Search what is committed, without bringing it up to date."""
    outcome = run(
        *("search", "shared", folder / ".shortlist", "--json", "--top-k", 2 * MANY),
        *("--no-rerank", "--first-stage", "bm25"),
    )
    assert outcome.code == 0
    return sorted(outcome.texts())


def assert_resumes(folder: Path, *, before: int) -> None:
    outcome = run("index", folder, "--json")
    report = outcome.json()
    assert outcome.code == 0
    assert report["unchanged"] >= before > 0
    assert report["read"] + report["unchanged"] == report["passages"] == MANY
    assert found(folder) == sorted(f"shared word, number{i}." for i in range(MANY))


def test_a_killed_run_leaves_what_it_committed_and_the_next_one_goes_on(many: Path) -> None:
    process = start_indexing(many, at_least=20)
    process.kill()
    assert ended(process).code == -signal.SIGKILL
    before = committed(many)
    assert 20 <= before < MANY
    assert len(set(found(many))) == len(found(many)) == before
    assert_resumes(many, before=before)


def test_one_process_writes_others_are_told_so_and_ctrl_c_loses_nothing(many: Path) -> None:
    process = start_indexing(many, at_least=10)
    process.send_signal(signal.SIGSTOP)
    second = run("index", many)
    process.send_signal(signal.SIGINT)  # waits until the process goes on, so that it cannot finish before
    process.send_signal(signal.SIGCONT)
    interrupted = ended(process)
    assert (second.code, second.out) == (1, "")
    assert f"is open for writing by process {process.pid}; wait until it is done" in second.err
    assert (interrupted.code, interrupted.out) == (130, "")
    assert interrupted.err == "interrupted; what was committed is kept, and the next run goes on from there\n"
    assert_resumes(many, before=committed(many))


def test_a_search_while_another_process_indexes_finds_what_is_committed(many: Path) -> None:
    process = start_indexing(many, at_least=10)
    meanwhile = run("search", "shared", many, "--json", "--no-rerank", "--first-stage", "bm25")
    has_ended = process.poll() is not None
    assert ended(process).code == 0
    assert (meanwhile.code, len(meanwhile.texts())) == (0, 5)
    assert has_ended or "searching what is committed so far" in meanwhile.err


def test_a_reader_that_goes_away_ends_the_command_without_a_traceback(made_once: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)  # as `| head -0` would
    command = "import sys; from shortlist.cli import main; main()"
    for as_json in ([], ["--json"]):
        arguments = ["search", "tower", str(made_once / ".shortlist"), "--no-rerank", "--first-stage", "bm25"]
        outcome = subprocess.run(
            [sys.executable, "-c", command, *arguments, *as_json],
            stdout=writing,
            stderr=subprocess.PIPE,
            check=False,
            timeout=PATIENCE_S,
        )
        assert (outcome.returncode, outcome.stderr) == (1, b"")
    os.close(writing)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_an_output_that_cannot_be_written_is_an_error_without_a_traceback(as_json: list[str]) -> None:
    command = [sys.executable, "-c", "import sys; from shortlist.cli import main; main()", "models", *as_json]
    for where, said in (
        ("> /dev/full", "error: cannot read or write the output: No space left on device"),
        (">&-", "error: there is no stdout to write to"),
    ):
        line = f"{shlex.join(command)} {where}"
        outcome = subprocess.run(line, shell=True, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
        assert (outcome.returncode, outcome.stderr.splitlines()[0]) == (1, said)


def test_a_damaged_packaged_model_is_named_with_the_way_to_mend_it(tmp_path: Path) -> None:
    package = tmp_path / "site" / "shortlist"
    shutil.copytree(
        Path(shortlist.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"), copy_function=_linked
    )
    weights = package / "weights" / DEFAULT_ENCODER / "model.onnx"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    (package.parent / "nothing.txt").write_text("text", encoding="utf-8")
    weights.unlink()
    weights.write_bytes(content)
    outcome = ended(start("index", package.parent / "nothing.txt", source=package.parent))
    assert (outcome.code, outcome.out) == (1, "")
    assert f"{weights} is damaged (SHA-256 " in outcome.err
    assert "pip install --force-reinstall --no-deps shortlist" in outcome.err


def _linked(source: str, target: str) -> str:
    """Link large files, which this test would only copy to read them."""
    if source.endswith(".onnx"):
        os.symlink(source, target)
        return target
    return shutil.copyfile(source, target)


@pytest.fixture
def small_disk(disk_of: Callable[[str], Path]) -> Path:
    """A file system of 400 MB."""
    return disk_of("400m")


def fill(disk: Path, *, leaving: int) -> Path:
    """Write a file that leaves so many bytes of a file system."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free - leaving)
    return ballast


def hole_bytes(folder: Path) -> int:
    return sum(file.stat().st_size - file.stat().st_blocks * 512 for file in folder.rglob("*"))


def test_a_full_disk_is_an_error_and_the_next_run_goes_on(small_disk: Path) -> None:
    index, rows = small_disk / "index", 60
    weight = "x" * 2_000_000
    files = {f"{i:02}.jsonl": json.dumps({"text": f"shared {i}", "weight": weight}) for i in range(rows)}
    folder = write_files(small_disk.parent / "rows", files)
    assert run("index", folder / "00.jsonl", "--index", index).code == 0
    # opening fills the holes of the engine's files there, and 64 MB must be left for it to go on
    ballast = fill(small_disk, leaving=hole_bytes(index) + (74 << 20))
    lexical = ["--json", "--no-rerank", "--first-stage", "bm25", "--top-k", str(rows)]
    for _ in range(2):  # the second time it is full from the beginning
        outcome = run("index", folder, "--index", index)
        assert (outcome.code, outcome.out) == (1, "")
        assert "free some space" in outcome.err
        before = len(run("search", "shared", index, *lexical).texts())
        assert 1 < before < rows, outcome.err
    ballast.unlink()
    report = run("index", folder, "--index", index, "--json").json()
    assert (report["unchanged"], report["read"], report["passages"]) == (before, rows - before, rows)
    assert len(run("search", "shared", index, *lexical).texts()) == rows
