"""Files become an index, an index becomes a pipeline."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from shortlist import Place, Reranker, ScoreKind, index_paths, open_pipeline
from shortlist.build.models import load_encoder
from shortlist.errors import IndexMismatchError, IndexNotFoundError, InputError, ModelNotFoundError
from shortlist.ingest import Event, FileRead, FilesFound, RowFields, SkipReason, formats
from shortlist.ingest.sync import PART
from shortlist.retrieval import Index
from shortlist.settings import Settings

SETTINGS = Settings(engine="onnxruntime")
QUESTION = "how tall is the tower?"
ROWS = '{"id": "tall", "text": "The tower is 330 m tall.", "kind": "fact"}\n{"id": "iron", "text": "Wrought iron."}\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files with an index beside them, which no test changes."""
    made = tmp_path_factory.mktemp("pipelines")
    (made / "rows.jsonl").write_text(ROWS, encoding="utf-8")
    (made / "cats.md").write_text("# Cats\n\nCats sleep most of the day.\n", encoding="utf-8")
    report = index_paths([made], made / "index", settings=SETTINGS)
    assert (report.added, report.passages, report.skipped) == (2, 3, ())
    return made


def test_paths_may_be_strings(folder: Path, tmp_path: Path) -> None:
    report = index_paths([str(folder / "rows.jsonl")], str(tmp_path / "index"), settings=SETTINGS, base=str(folder))
    assert report.passages == 2
    with Index.open(tmp_path / "index", read_only=True) as index:
        assert list(index.sources()) == ["rows.jsonl"]


@pytest.mark.parametrize(
    ("first_stage", "score_kind", "stages"),
    [
        ("hybrid", ScoreKind.RECIPROCAL_RANK, ["bm25", "dense", "hybrid"]),
        ("weighted", ScoreKind.WEIGHTED_SUM, ["bm25", "dense", "hybrid"]),
        ("bm25", ScoreKind.BM25, ["bm25"]),
        ("dense", ScoreKind.SIMILARITY, ["dense"]),
    ],
)
def test_each_first_stage_finds_the_answer_alone(
    folder: Path, first_stage: str, score_kind: ScoreKind, stages: list[str]
) -> None:
    with open_pipeline(folder / "index", settings=SETTINGS, first_stage=first_stage, rerank=False) as pipeline:
        ranking = pipeline.search(QUESTION, top_k=2)
    assert ranking[0].doc_id == "tall"
    assert ranking.score_kind is score_kind
    assert [step.stage for step in ranking.trace.steps] == stages
    assert len(ranking) == (1 if first_stage == "bm25" else 2)


@pytest.mark.parametrize(
    "asked", [Settings(engine="torch"), Settings(precision="fp16"), Settings(precision="bf16", device="cuda")]
)
def test_what_needs_torch_is_asked_of_the_reranker_only(folder: Path, asked: Settings) -> None:
    chosen = replace(asked, model="lexical:lexical")
    with open_pipeline(folder / "index", settings=chosen, first_stage="dense") as pipeline:
        ranking = pipeline.search(QUESTION, top_k=2)
    assert ranking[0].doc_id == "tall"
    assert [step.stage for step in ranking.trace.steps] == ["dense", "lexical"]


def test_the_second_stage_reorders_what_the_first_found(folder: Path) -> None:
    with open_pipeline(folder / "index", settings=SETTINGS) as pipeline:
        ranking = pipeline.search(QUESTION, top_k=3)
        again = pipeline.search(QUESTION, top_k=1)
    assert ranking[0].doc_id == again[0].doc_id == "tall"
    assert [standing.stage for standing in ranking[0].history] == ["bm25", "dense", "hybrid"]
    assert {
        item.document.place for item in ranking if item.document.title == "Cats" or "Cats" in item.document.text
    } == {Place("cats.md", 3, 3, "Cats")}
    assert ranking.trace.degradations == ()


def test_pipelines_share_an_encoder_and_a_reranker_that_are_given_and_leave_them_open(folder: Path) -> None:
    with contextlib.closing(load_encoder(SETTINGS)) as encoder:
        second = Reranker.of(SETTINGS, encoder=encoder)
        shared = partial(open_pipeline, folder / "index", settings=SETTINGS, encoder=encoder, reranker=second)
        rankings = []
        for _ in range(2):
            with shared() as pipeline:
                rankings.append(pipeline.search(QUESTION, top_k=2))
        found = [item.document for item in rankings[0]]
        assert second.rank(QUESTION, found).doc_ids == rankings[0].doc_ids == rankings[1].doc_ids
        for refused in ({"faster": ["lexical:words"]}, {"rerank": False}):
            with pytest.raises(InputError, match="leave it out"), shared(**refused):
                pass


def test_a_filter_holds_in_every_arm(folder: Path) -> None:
    with open_pipeline(folder / "index", settings=SETTINGS, rerank=False, where={"kind": "fact"}) as pipeline:
        assert pipeline.search("iron").doc_ids == ("tall",)


def test_unknown_names_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="first_stage must be one of hybrid, weighted, bm25, dense; got 'splade'"):
        open_pipeline(folder / "index", first_stage="splade").__enter__()
    with pytest.raises(ModelNotFoundError, match="no model 'nonsense'"):
        open_pipeline(folder / "index", settings=Settings(encoder="nonsense")).__enter__()
    with pytest.raises(ModelNotFoundError, match="no model 'nonsense'"):
        open_pipeline(folder / "index", settings=Settings(model="nonsense"), first_stage="bm25").__enter__()


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"fallback": "lexical:words"}, r"fallback must be a list of models' names, .* \['lexical:words'\]"),
        ({"diversity": "0.3"}, "diversity must be a number within 0..1, got '0.3'"),
        ({"first_stage_weight": "0.3"}, "weight must be a number within 0..1, got '0.3'"),
    ],
)
def test_settings_of_another_type_are_refused(folder: Path, setting: Mapping[str, Any], told: str) -> None:
    asked = replace(SETTINGS, model="lexical:words", **setting)
    with pytest.raises(InputError, match=told), open_pipeline(folder / "index", settings=asked, first_stage="bm25"):
        pass


def test_an_index_that_is_not_there_or_of_no_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError, match=r"there is no index in .*nowhere, nor a folder of that name"):
        open_pipeline(tmp_path / "nowhere", settings=SETTINGS).__enter__()
    Index.create(tmp_path / "words").close()
    with pytest.raises(IndexNotFoundError, match=r"there is no index in .*, but one in .*words: name that"):
        open_pipeline(tmp_path, settings=SETTINGS).__enter__()
    with pytest.raises(IndexMismatchError, match="was made with the encoder 'none'"):
        open_pipeline(tmp_path / "words", settings=SETTINGS).__enter__()


def test_closing_a_pipeline_ends_the_encoders_threads_even_after_an_error(folder: Path) -> None:
    def workers() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if thread.name.startswith("shortlist-infer")}

    def fail() -> None:
        with open_pipeline(folder / "index", settings=SETTINGS, rerank=False) as pipeline:
            pipeline.search(QUESTION)
            assert workers() > before
            raise ZeroDivisionError

    before = workers()
    with pytest.raises(ZeroDivisionError):
        fail()
    assert workers() <= before


def test_every_event_is_seen_after_its_commit(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text(f"text {name}", encoding="utf-8")
    seen: list[Event] = []
    committed: list[int] = []

    def watch(event: Event) -> None:
        seen.append(event)
        with Index.open(tmp_path / "index", read_only=True) as reader:
            committed.append(reader.count())

    index_paths([tmp_path], tmp_path / "index", settings=SETTINGS, watch=watch)
    assert [type(event) for event in seen] == [FilesFound, FileRead, FileRead]
    assert committed == [0, 1, 2]


def test_sources_are_named_from_the_folder_that_holds_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("text", encoding="utf-8")
    for here in (tmp_path, tmp_path / "docs"):
        monkeypatch.chdir(here)
        index_paths([tmp_path / "docs"], tmp_path / "docs" / "index", settings=SETTINGS)
    with Index.open(tmp_path / "docs" / "index", read_only=True) as index:
        assert list(index.sources()) == ["a.txt"]
        assert index.count() == 1


def test_files_that_are_gone_from_elsewhere_are_told_until_their_place_is_named(tmp_path: Path) -> None:
    docs, index = tmp_path / "docs", tmp_path / "index"
    (docs / "sub").mkdir(parents=True)
    (docs / "sub" / "a.md").write_text("wings", encoding="utf-8")
    (tmp_path / "b.md").write_text("soup", encoding="utf-8")
    index_paths([docs, tmp_path / "b.md"], index, settings=SETTINGS)
    docs.rename(tmp_path / "manual")
    (told,) = index_paths([tmp_path / "manual"], index, settings=SETTINGS).problems
    assert told.startswith("1 files that were indexed before are gone")
    assert told.endswith(f"name their old place once more, and they go: {docs}")
    report = index_paths([tmp_path / "manual", docs], index, settings=SETTINGS)
    assert (report.removed, report.passages, report.problems) == (1, 2, ())


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="whoever may do all enters all folders")
def test_files_in_a_folder_that_may_not_be_entered_are_not_called_gone(tmp_path: Path) -> None:
    (tmp_path / "shut").mkdir()
    for name in ("shut/a.md", "b.md"):
        (tmp_path / name).write_text("wings", encoding="utf-8")
    index_paths([tmp_path / "shut", tmp_path / "b.md"], tmp_path / "index", settings=SETTINGS)
    (tmp_path / "shut").chmod(0)
    try:
        assert index_paths([tmp_path / "b.md"], tmp_path / "index", settings=SETTINGS).problems == ()
    finally:
        (tmp_path / "shut").chmod(0o700)


def test_rows_that_lose_their_ids_to_passages_of_another_run_are_told(tmp_path: Path) -> None:
    rows, notes = tmp_path / "a.jsonl", tmp_path / "notes.md"
    rows.write_text('{"doc_id": "notes.md#1", "text": "a saved result"}', encoding="utf-8")
    notes.write_text("the notes", encoding="utf-8")
    index_paths([rows], tmp_path / "index", settings=SETTINGS)
    (told,) = index_paths([notes], tmp_path / "index", settings=SETTINGS).problems
    assert told.endswith("passages replaced rows of a.jsonl, which had the same ids; give these rows others")


def test_a_path_that_is_not_there_makes_no_index(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file or folder"):
        index_paths([tmp_path / "absent"], tmp_path / "index", settings=SETTINGS)
    assert list(tmp_path.iterdir()) == []


def test_a_file_with_a_new_time_and_the_old_content_is_read_once_more_at_most(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("text", encoding="utf-8")
    index_paths([tmp_path], tmp_path / "index", settings=SETTINGS)
    os.utime(file, ns=(5, 7))
    for _ in range(2):
        report = index_paths([tmp_path], tmp_path / "index", settings=SETTINGS)
        assert (report.unchanged, report.added, report.passages) == (1, 0, 1)
        with Index.open(tmp_path / "index", read_only=True) as index:
            assert index.sources()["a.txt"].mtime_ns == 7


def test_an_interrupted_run_keeps_its_commits_and_the_next_one_goes_on(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"{number}.txt").write_text(f"shared text {number}", encoding="utf-8")

    def stop_after_two(event: Event) -> None:
        if isinstance(event, FileRead) and event.source == "1.txt":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index_paths([tmp_path], tmp_path / "index", settings=SETTINGS, watch=stop_after_two)
    report = index_paths([tmp_path], tmp_path / "index", settings=SETTINGS)
    assert (report.unchanged, report.added, report.passages) == (2, 2, 4)


def rows(*pairs: tuple[int, str]) -> str:
    return "id,text\n" + "".join(f"{number},{text}\n" for number, text in pairs)


def ids(folder: Path, files: Mapping[str, str | None]) -> dict[str, str]:
    """Write files, or delete them where the content is None, index the folder, and return each text's id."""
    for name, content in files.items():
        if content is None:
            (folder / name).unlink()
        else:
            (folder / name).write_text(content, encoding="utf-8")
    index_paths([folder], folder / "index", settings=SETTINGS)
    again = index_paths([folder], folder / "index", settings=SETTINGS)
    assert again.added == 0
    with Index.open(folder / "index", read_only=True) as index:
        return {row.document.text: row.document.doc_id for row in index.rows()}


def test_rows_of_two_files_with_the_same_id_are_both_kept_and_reported(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(rows((1, "apple"), (2, "banana")), encoding="utf-8")
    (tmp_path / "b.csv").write_text(rows((1, "lion"), (3, "zebra")), encoding="utf-8")
    report = index_paths([tmp_path], tmp_path / "index", settings=SETTINGS)
    assert report.problems == ("b.csv: line 2: id '1' is that of a.csv; named by its line instead",)
    assert ids(tmp_path, {}) == {"apple": "1", "banana": "2", "lion": "b.csv#2", "zebra": "3"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"a.csv": None}, {"lion": "1", "zebra": "3"}),
        ({"a.csv": None, "z.csv": rows((1, "apple"))}, {"apple": "1", "lion": "b.csv#2", "zebra": "3"}),
        ({"a.csv": rows((4, "apple"))}, {"apple": "4", "lion": "1", "zebra": "3"}),
        ({"a.csv": rows((3, "apple"))}, {"apple": "a.csv#2", "lion": "1", "zebra": "3"}),
        ({"a.csv": rows((3, "apple")), "b.csv": rows((1, "lion"))}, {"apple": "3", "lion": "1"}),
        ({"b.csv": rows((1, "lion"), (2, "zebra"))}, {"apple": "1", "lion": "b.csv#2", "zebra": "2"}),
        ({"b.csv": None}, {"apple": "1"}),
    ],
)
def test_a_row_has_its_own_id_again_when_the_other_file_changes_or_goes(
    tmp_path: Path, change: Mapping[str, str | None], expected: Mapping[str, str]
) -> None:
    ids(tmp_path, {"a.csv": rows((1, "apple")), "b.csv": rows((1, "lion"), (3, "zebra"))})
    assert ids(tmp_path, change) == expected


def test_a_row_gives_way_to_a_passage_of_a_file_that_is_read_after_it(tmp_path: Path) -> None:
    saved = json.dumps({"doc_id": "notes.md#1", "text": "a saved result"})
    expected = {"a saved result": "a.jsonl#1", "the notes": "notes.md#1"}
    assert ids(tmp_path, {"a.jsonl": saved, "notes.md": "the notes"}) == expected
    assert ids(tmp_path, {"notes.md": None}) == {"a saved result": "notes.md#1"}
    assert ids(tmp_path, {"notes.md": "the notes"}) == expected


READER = """
from shortlist.passages.structure import Passage

def read(file):
    for number, line in enumerate(file.read().decode().split(), 1):
        yield file.document(Passage(line, 1, 1, ()), number, format="num", score=float(line))
"""


@pytest.fixture
def numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A reader of a third party that gives what cannot be stored."""
    info = tmp_path / "site" / "numbers-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: numbers\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[shortlist.readers]\n.num = number_reader:read\n", encoding="utf-8")
    (tmp_path / "site" / "number_reader.py").write_text(READER, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "site")
    formats._plugins.cache_clear()
    yield
    monkeypatch.undo()
    formats._plugins.cache_clear()


@pytest.mark.usefixtures("numbers")
def test_a_file_that_the_index_refuses_is_skipped_and_the_others_are_indexed(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.num").write_text("1 2", encoding="utf-8")
    (folder / "gone.txt").write_text("gone", encoding="utf-8")
    index_paths([folder], folder / "index", settings=SETTINGS)
    (folder / "gone.txt").unlink()
    (folder / "a.num").write_text("3 nan", encoding="utf-8")
    (folder / "big.num").write_text("4 " * 2 * PART + "nan " + "5 " * PART, encoding="utf-8")
    (folder / "z.txt").write_text("last", encoding="utf-8")
    report = index_paths([folder], folder / "index", settings=SETTINGS)
    assert [(event.source, event.reason) for event in report.skipped] == [
        ("a.num", SkipReason.BROKEN),
        ("big.num", SkipReason.BROKEN),
    ]
    assert "'a.num#2'" in report.skipped[0].detail
    assert all(event.detail.endswith("; its earlier passages stay in the index") for event in report.skipped)
    assert (report.added, report.removed, report.passages) == (1, 1, 2 + 2 * PART + 1)
    again = index_paths([folder], folder / "index", settings=SETTINGS)
    assert [event.source for event in again.skipped] == ["a.num", "big.num"]


def test_a_skipped_file_says_so_when_its_earlier_passages_stay(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("text", encoding="utf-8")
    index_paths([tmp_path / "a.txt"], tmp_path / "index", settings=SETTINGS)
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_bytes(b"\0binary")
    report = index_paths([tmp_path], tmp_path / "index", settings=SETTINGS)
    assert ["its earlier passages stay" in event.detail for event in report.skipped] == [True, False]


def test_the_fields_of_rows_are_remembered_by_the_index(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("key,body\n7,words\n", encoding="utf-8")
    fields = RowFields(text="body", doc_id=("key",))
    index_paths([tmp_path], tmp_path / "index", settings=SETTINGS, fields=fields)
    assert index_paths([tmp_path], tmp_path / "index", settings=SETTINGS).unchanged == 1
    with Index.open(tmp_path / "index", read_only=True) as index:
        assert index.get("7").text == "words"
    report = index_paths([tmp_path], tmp_path / "index", settings=SETTINGS, fields=RowFields())
    assert "no column 'text'" in report.skipped[0].detail
