from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from shortlist.retrieval import Index

from .running import Outcome, run


def indexing(*arguments: object) -> dict[str, Any]:
    outcome = run("index", *arguments, "--json")
    assert outcome.code == 0
    report: dict[str, Any] = outcome.json()
    return report


def lexical(question: str, index: Path) -> Outcome:
    return run("search", question, index, "--json", "--no-rerank", "--first-stage", "bm25")


def test_the_second_run_reads_nothing_and_the_index_is_not_read_itself(docs: Path) -> None:
    first = indexing(docs, "--index", docs / "visible-index")
    assert first == {
        "index": str(docs / "visible-index"),
        "passages": 5,
        "read": 4,
        "unchanged": 0,
        "removed": 0,
        "skipped": [],
        "problems": [],
        "recovery": "",
    }
    second = indexing(docs, "--index", docs / "visible-index")
    assert (second["read"], second["unchanged"], second["skipped"]) == (0, 4, [])


def test_fields_are_remembered_only_of_paths_that_are_there(docs: Path) -> None:
    (docs / "rows.jsonl").write_text('{"id": "r", "text": "a row about lentils", "body": "another"}\n')
    before = indexing(docs)["passages"]
    misspelt = run("index", docs / "misspelt", "--index", docs / ".shortlist", "--text-field", "body")
    assert (misspelt.code, "there is no file or folder" in misspelt.err) == (2, True)
    assert indexing(docs)["passages"] == before
    for named in (["--text-field", "body"], []):
        indexing(docs, *named)
    assert lexical("another", docs / ".shortlist").texts() == ["another"]


def test_files_that_went_in_small_steps_leave_nothing_in_the_statistics(docs: Path) -> None:
    for number in range(12):
        (docs / f"note{number}.txt").write_text("a note")
    indexing(docs)
    left = []
    for number in range(3):
        (docs / f"note{number}.txt").unlink()
        indexing(docs)
        with Index.open(docs / ".shortlist", read_only=True) as index:
            left.append(index.unoptimized)
    assert left == [1, 0, 1], "17 passages before; a tenth is reached with the second"


def test_the_index_lies_in_the_folder_unless_told_otherwise(indexed: Path) -> None:
    outcome = run("index", indexed)
    assert outcome.out == (f"{indexed / '.shortlist'}: 5 passages (0 files read, 4 unchanged, 0 removed, 0 skipped)\n")


def test_files_keep_their_names_whatever_the_current_folder_is(indexed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(indexed)
    assert indexing(".")["unchanged"] == 4
    monkeypatch.chdir(indexed.parent)
    assert indexing(indexed.name)["passages"] == 5
    assert run("search", "tower", indexed.name, "--no-rerank", "--first-stage", "bm25").err == ""


def test_what_was_indexed_from_elsewhere_stays_when_the_folder_is_searched(indexed: Path) -> None:
    (indexed.parent / "note.txt").write_text("A zebra has stripes.", encoding="utf-8")
    indexing(indexed, "note.txt")
    assert lexical("zebra", indexed).texts() == ["A zebra has stripes."]


def test_a_misspelt_path_is_an_error_and_leaves_nothing_behind(docs: Path) -> None:
    outcome = run("index", "dosc")
    assert (outcome.code, outcome.out) == (2, "")
    assert "there is no file or folder 'dosc'; check the spelling" in outcome.err
    assert [path.name for path in docs.parent.iterdir()] == ["docs"]


def test_files_that_cannot_be_read_are_reported_and_the_others_are_indexed(docs: Path) -> None:
    (docs / "image.txt").write_bytes(b"GIF\0\x01\x02" * 50)
    (docs / "archive.zip").write_bytes(b"PK\x03\x04\0\0")
    (docs / "latin.txt").write_bytes("caf\u00e9 on the corner".encode("latin-1"))
    (docs / "mixed.txt").write_bytes("caf\u00e9 ".encode() + b"broken \xff\xfe bytes")
    (docs / "rows.jsonl").write_text('{"text": "zebra"}\n{"text": 5}\n[1]\nnonsense\n', encoding="utf-8")
    outcome = run("index", docs, "--json")
    report = outcome.json()
    assert outcome.code == 0
    assert {s["source"]: s["reason"] for s in report["skipped"]} == {
        "archive.zip": "unknown format",
        "image.txt": "binary",
    }
    assert sorted(report["skipped"][0]) == ["detail", "reason", "source"]
    problems = "\n".join(report["problems"])
    assert "latin.txt: not UTF-8; read as windows-1252" in problems
    assert "mixed.txt: 2 invalid byte sequences" in problems
    assert all(f"rows.jsonl: line {line}" in problems for line in (2, 3, 4))
    assert all(f"note: {problem}" in outcome.err for problem in report["problems"])
    assert lexical("zebra", docs / ".shortlist").texts() == ["zebra"]
    assert lexical("corner", docs / ".shortlist").texts() == ["caf\u00e9 on the corner"]
    assert "2 files were skipped; `shortlist index` says why" in lexical("zebra", docs).err


def test_the_fields_of_rows_are_named_once(docs: Path) -> None:
    (docs / "pets.csv").write_text("key,name,body\n7,Zoe,A zebra has stripes.\n", encoding="utf-8")
    assert "--text-field" in run("index", docs).err
    assert indexing(docs, "--text-field", "body", "--title-field", "name", "--id-field", "key")["skipped"] == []
    (found,) = lexical("zebra", docs).json()["results"]
    assert (found["doc_id"], found["title"], found["text"]) == ("7", "Zoe", "A zebra has stripes.")


def test_a_file_name_that_is_no_utf8_can_be_indexed_and_shown(docs: Path) -> None:
    name = "caf\udce9.txt"
    try:
        (docs / name).write_text("A zebra has stripes.", encoding="utf-8")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert run("index", docs).code == 0
    assert lexical("zebra", docs / ".shortlist").json()["results"][0]["place"]["path"] == r"caf\xe9.txt"
    assert lexical("zebra", docs / name).texts() == ["A zebra has stripes."]
    assert lexical("tower", docs / name).texts() == []


def change(index: Path, statement: str) -> None:
    connection = sqlite3.connect(index / "documents.sqlite")
    with connection:
        assert connection.execute(statement).rowcount == 1
    connection.close()


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("UPDATE manifest SET value = 'other@1:mean:256' WHERE key = 'encoder'", "made with the encoder 'other@1"),
        ("UPDATE manifest SET value = 999 WHERE key = 'schema'", "has schema version 999"),
    ],
)
def test_an_index_of_another_model_or_version_is_refused_and_kept(indexed: Path, statement: str, reason: str) -> None:
    index = indexed / ".shortlist"
    change(index, statement)
    for outcome in (run("search", "tower", index), run("index", indexed)):
        assert (outcome.code, outcome.out) == (1, "")
        assert reason in outcome.err
        assert "into a new folder" in outcome.err
    assert index.is_dir()


def test_settings_come_from_the_file_then_the_environment_then_the_option(
    indexed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["search", "tower cats program undo made", indexed / ".shortlist", "--json", "--no-rerank"]
    command += ["--first-stage", "bm25"]
    (indexed.parent / "shortlist.toml").write_text("top_k = 1\n", encoding="utf-8")
    assert len(run(*command).json()["results"]) == 1
    monkeypatch.setenv("SHORTLIST_TOP_K", "2")
    assert len(run(*command).json()["results"]) == 2
    assert len(run(*command, "--top-k", "3").json()["results"]) == 3
    monkeypatch.setenv("SHORTLIST_TOP_K", "many")
    refused = run(*command)
    assert (refused.code, refused.out) == (1, "")
    assert "top_k must be a whole number from 1, got 'many'" in refused.err


def test_an_unknown_setting_names_the_file_and_the_known_ones(docs: Path) -> None:
    (docs.parent / "shortlist.toml").write_text("topk = 1\n", encoding="utf-8")
    outcome = run("rerank", "a", "b")
    assert (outcome.code, outcome.out) == (1, "")
    assert "shortlist.toml: unknown setting 'topk'; known are model, encoder" in outcome.err
