from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from .running import run

FILES = {
    "tower.md": "# Height\n\nThe tower is 330 metres tall.\n\n# Material\n\nIt is made of wrought iron.\n",
    "cats.txt": "Cats sleep for most of the day and hunt at night.\n",
    "git/undo.rst": "Undo\n====\n\nTo undo the last commit, run git reset and keep your changes.\n",
    "people.jsonl": '{"id": "ada", "text": "Ada wrote the first program.", "year": 1843}\n',
}


def write_files(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of fixed width, no settings of the user's, and the engine that every install has."""
    for name in [name for name in os.environ if name.startswith("SHORTLIST_") and name != "SHORTLIST_DATA"]:
        monkeypatch.delenv(name)
    for name, value in {"COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1", "TERM": "dumb"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SHORTLIST_ENGINE", "onnxruntime")


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small folder of documents that is not indexed, in the current folder."""
    monkeypatch.chdir(tmp_path)
    return write_files(tmp_path / "docs", FILES)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An indexed folder that no test touches."""
    folder = write_files(tmp_path_factory.mktemp("once") / "docs", FILES)
    assert run("index", folder, "--engine", "onnxruntime").code == 0
    return folder


@pytest.fixture
def indexed(docs: Path, made_once: Path) -> Path:
    """The folder with its index, for this test alone."""
    shutil.rmtree(docs)
    shutil.copytree(made_once, docs)  # with the files' times, so nothing counts as changed
    return docs


TEXTS = {"tower": "The tower is 330 metres tall.", "iron": "The tower is of iron.", "cats": "Cats hunt at night."}
QUERIES = {"1": "how tall is the tower?", "2": "what is the tower made of?", "3": "when do cats hunt?"}


@pytest.fixture
def collection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A BEIR folder `small` in the current folder."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "small"
    (folder / "qrels").mkdir(parents=True)
    for name, texts in {"corpus": TEXTS, "queries": QUERIES}.items():
        lines = [json.dumps({"_id": key, "text": text}) + "\n" for key, text in texts.items()]
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    judged = "query-id\tcorpus-id\tscore\n1\ttower\t2\n2\tiron\t1\n3\tcats\t1\n"
    (folder / "qrels" / "test.tsv").write_text(judged, encoding="utf-8")
    return folder
