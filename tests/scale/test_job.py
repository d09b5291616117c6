from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.build.models import load_model
from shortlist.errors import InputError, ScoreError, StorageFullError
from shortlist.scale.job import Job, Scored, in_process, scored_pairs
from shortlist.scale.pairs import Part, parts_of, read_part
from shortlist.scale.runs import run_of
from shortlist.types import Document, Query

from .material import MODEL, Cut, CutError, rows, write_jsonl

HERE = in_process(MODEL, {})


def expected(count: int) -> list[tuple[str, str, float]]:
    """Scores of single calls, without parts."""
    scorer = load_model("words", kind="lexical")
    return [
        (row["query_id"], row["doc_id"], float(scorer.score(Query(row["query"]), [Document(row["text"])]).values[0]))
        for row in rows(count)
    ]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_every_pair_has_its_score_in_the_order_of_the_file(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"pairs{suffix}"
    if suffix == ".parquet":
        parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra ray")
        table = pytest.importorskip("pyarrow").Table.from_pylist(rows(100))
        parquet.write_table(table, file, row_group_size=37)
    else:
        write_jsonl(file, rows(100))
    done = Job(file, tmp_path / "out", MODEL, {}, rows=16).run(HERE)
    assert (done.pairs, done.resumed) == (100, 0)
    assert done.parts == (8 if suffix == ".parquet" else 7)  # a part does not reach over the end of a row group
    assert list(scored_pairs(tmp_path / "out")) == expected(100)
    assert json.loads((tmp_path / "out" / "done.json").read_text())["pairs"] == 100


def test_a_job_that_was_cut_off_goes_on_and_scores_nothing_twice(tmp_path: Path) -> None:
    job = Job(write_jsonl(tmp_path / "pairs.jsonl", rows(90)), tmp_path / "out", MODEL, {}, rows=10)
    first = Cut(HERE, after=4)
    with pytest.raises(CutError):
        job.run(first)
    draft = tmp_path / "out" / ".part-000000.jsonl.0123abcd.new"
    draft.write_text('{"query_id": "half')  # what a kill in mid-write leaves
    second = Cut(HERE, after=99)
    done = job.run(second)
    assert (done.resumed, sorted(first.scored + second.scored)) == (4, list(range(9)))
    assert list(scored_pairs(tmp_path / "out")) == expected(90)
    assert not draft.exists()


def test_two_that_score_the_same_at_once_both_come_to_the_end(tmp_path: Path) -> None:
    job = Job(write_jsonl(tmp_path / "pairs.jsonl", rows(90)), tmp_path / "out", MODEL, {}, rows=1)
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: job.run(HERE), range(4)))
    assert [one.pairs for one in done] == [90] * 4
    assert list(scored_pairs(tmp_path / "out")) == expected(90)


def test_a_finished_job_is_not_run_again(tmp_path: Path) -> None:
    job = Job(write_jsonl(tmp_path / "pairs.jsonl", rows(20)), tmp_path / "out", MODEL, {}, rows=10)
    job.run(HERE)
    again = Cut(HERE, after=0)
    assert job.run(again).resumed == 2
    assert again.scored == []


def test_a_folder_is_for_one_job(tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "pairs.jsonl", rows(20))
    job = Job(file, tmp_path / "out", MODEL, {}, rows=10)
    job.run(HERE)
    with pytest.raises(InputError, match="another rows"):
        replace(job, rows=5).run(HERE)
    with pytest.raises(InputError, match="another model"):
        replace(job, model="lexical:others").run(HERE)
    write_jsonl(file, rows(21))
    with pytest.raises(InputError, match="another pairs"):
        job.run(HERE)
    with pytest.raises(InputError, match="holds something else"):
        Job(file, tmp_path, MODEL, {}).run(HERE)


def test_scores_of_two_models_are_not_mixed(tmp_path: Path) -> None:
    job = Job(write_jsonl(tmp_path / "pairs.jsonl", rows(30)), tmp_path / "out", MODEL, {}, rows=10)
    with pytest.raises(CutError):
        job.run(Cut(HERE, after=1))
    with pytest.raises(InputError, match="cannot be compared"):
        job.run(lambda parts: (replace(scored, scorer="another") for scored in HERE(parts)))


def test_a_part_with_a_score_too_few_is_refused(tmp_path: Path) -> None:
    job = Job(write_jsonl(tmp_path / "pairs.jsonl", rows(30)), tmp_path / "out", MODEL, {}, rows=10)
    with pytest.raises(ScoreError, match="10 pairs and came back with 9"):
        job.run(lambda parts: (replace(scored, scores=scored.scores[1:]) for scored in HERE(parts)))
    with pytest.raises(ScoreError, match="2 parts were not scored"):
        job.run(lambda parts: HERE(parts[:1]))
    with pytest.raises(ScoreError, match="gave 1 scores for the 2 pairs"):
        Scored.of(Part(0, "", 0, 0, 2, 1), read_part(parts_of(job.pairs, rows=2)[0]), [1.0], scorer="x")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('{"query": "a"}', "row 3: 'text' must be a text, got None"),
        ('{"query": " ", "text": "b"}', "row 3: 'query' is empty"),
        ('{"query": "a", "text": 5}', "row 3: 'text' must be a text, got 5"),
        ("[1]", "row 3: holds list"),
        ('{"query": "a', "row 3: is no valid JSON"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_and_the_parts_before_it_stay(tmp_path: Path, row: str, said: str) -> None:
    file = tmp_path / "pairs.jsonl"
    good = '{"query": "a", "text": "a b"}\n\n'
    file.write_text(good * 2 + row + "\n" + good)
    job = Job(file, tmp_path / "out", MODEL, {}, rows=1)
    with pytest.raises(InputError, match=said):
        job.run(HERE)
    assert len(list((tmp_path / "out").glob("part-*"))) == 2


def test_a_damaged_parquet_file_is_named_with_the_first_row_that_may_be_lost(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra ray")
    file = tmp_path / "pairs.parquet"
    parquet.write_table(pytest.importorskip("pyarrow").Table.from_pylist(rows(400)), file, row_group_size=200)
    start = parquet.ParquetFile(file).metadata.row_group(1).column(0).dictionary_page_offset
    content = file.read_bytes()
    file.write_bytes(content[:start] + b"\xa5" * 100 + content[start + 100 :])
    with pytest.raises(InputError, match=r"pairs\.parquet, from row 201 on: cannot be read as Parquet"):
        Job(file, tmp_path / "out", MODEL, {}, rows=200).run(HERE)
    assert len(list((tmp_path / "out").glob("part-*"))) == 1


def test_a_full_disk_is_an_error_and_the_job_goes_on_afterwards(disk_of: Callable[[str], Path], tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "pairs.jsonl", rows(3000))
    disk = disk_of("100k")
    job = Job(file, disk / "out", MODEL, {}, rows=500)
    with pytest.raises(StorageFullError, match="free some space and run the job again"):
        job.run(HERE)
    kept = len(list((disk / "out").glob("part-*")))
    assert 0 < kept < 6


@given(count=st.integers(1, 40), size=st.integers(1, 12), blank=st.integers(0, 3))
def test_parts_are_the_file(tmp_path_factory: pytest.TempPathFactory, count: int, size: int, blank: int) -> None:
    file = tmp_path_factory.mktemp("cut") / "pairs.jsonl"
    file.write_text(("\n" * blank).join(json.dumps(row) + "\n" for row in rows(count)))
    parts = parts_of(file, rows=size)
    pairs = [pair for part in parts for pair in read_part(part)]
    assert [pair.doc_id for pair in pairs] == [f"d{i}" for i in range(count)]
    assert all(part.rows == size for part in parts[:-1])


def test_scores_become_a_run() -> None:
    run = run_of("x", [("q", "a", 1.0), ("q", "b", 2.0), ("p", "a", 0.5)])
    assert dict(run.doc_ids) == {"q": ("b", "a"), "p": ("a",)}
    with pytest.raises(InputError, match="comes twice"):
        run_of("x", [("q", "a", 1.0), ("q", "a", 1.0)])
    with pytest.raises(InputError, match="needs a query_id"):
        run_of("x", [("", "a", 1.0)])


def test_long_parts_are_scored_in_steps_with_the_same_scores(tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "pairs.jsonl", rows(300, each=1))
    Job(file, tmp_path / "out", MODEL, {}, rows=300).run(HERE)
    scorer = load_model("words", kind="lexical")
    np.testing.assert_array_equal(
        [score for *_, score in scored_pairs(tmp_path / "out")],
        [scorer.score(Query(row["query"]), [Document(row["text"])]).values[0] for row in rows(300, each=1)],
    )
