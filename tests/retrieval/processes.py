"""What the tests run in processes of its own: `python -m retrieval.processes TASK FOLDER`."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import count
from pathlib import Path

import shortlist
from shortlist.errors import ShortlistError
from shortlist.retrieval import BM25, Index
from shortlist.types import Document, Query

from .material import HashingEncoder

BATCH = 150


def batch_of(number: int) -> list[Document]:
    """Documents that stay, and ten that every batch replaces."""
    fixed = [Document(f"fixed version{number} shared", f"fixed-{i}") for i in range(10)]
    return [*fixed, *(Document(f"batch{number} shared", f"{number}-{i}") for i in range(BATCH))]


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def write(folder: Path) -> None:
    """Write batches for ever, say each one's number when it is committed, and optimize now and then."""
    encoder = HashingEncoder()
    index = Index.open(folder, encoder=encoder) if folder.exists() else Index.create(folder, encoder=encoder)
    say("open", index.recovery)
    for number in count(index.count() // BATCH):
        index.upsert(batch_of(number), source=f"batch{number}")
        say("committed", number)
        if number % 4 == 3:
            index.optimize()


def fill(folder: Path) -> None:
    """Write until the disk is full."""
    with Index.create(folder, encoder=HashingEncoder()) as index:
        weight = {"weight": "x" * 60_000}
        try:
            for number in count():
                index.upsert([Document("shared", f"{number}-{i}", metadata=weight) for i in range(50)])
        except ShortlistError as error:
            say(type(error).__name__, number, index.count(), str(error).replace("\n", " "))


def search(folder: Path, *, read_only: bool) -> None:
    """Open, say what is found, and wait to be told to go on."""
    try:
        with Index.open(folder, encoder=HashingEncoder(), read_only=read_only) as index:
            say("found", len(BM25(index).retrieve(Query("shared"), depth=10_000)))
            sys.stdin.readline()
            say("found", len(BM25(index).retrieve(Query("shared"), depth=10_000)))
    except ShortlistError as error:
        say(type(error).__name__, error)


def start(task: str, folder: Path, **environment: str) -> subprocess.Popen[str]:
    """Run a task of this file in another process."""
    source = str(Path(shortlist.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-m", "retrieval.processes", task, str(folder)],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "PYTHONPATH": source, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


if __name__ == "__main__":
    task, place = sys.argv[1], Path(sys.argv[2])
    if task == "write":
        write(place)
    elif task == "fill":
        fill(place)
    else:
        search(place, read_only=task == "read")
