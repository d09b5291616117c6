"""Each format gives documents with their place, and bad content is reported."""

from __future__ import annotations

import gzip
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from shortlist.ingest import Recipe, RowFields, SkipReason
from shortlist.passages.size import PassageSize, count_words
from shortlist.types import Place

from .material import documents, jsonl, minimal_pdf, problems, run, skips, write


def test_a_passage_carries_its_id_title_place_and_metadata(tmp_path: Path) -> None:
    write(tmp_path / "docs" / "guide.md", "# Guide\n\nIntro.\n\n## Install\nRun it.\n")
    first, second = documents(run(tmp_path))
    assert (first.doc_id, first.title, first.text) == ("docs/guide.md#1", "Guide", "Intro.")
    assert second.doc_id == "docs/guide.md#2"
    assert second.place == Place("docs/guide.md", 6, 6, "Guide > Install")
    assert second.metadata == {"path": "docs/guide.md", "format": "markdown"}


@pytest.mark.parametrize(
    ("name", "content", "format", "title"),
    [
        ("a.txt", "text", "text", "a.txt"),
        ("README", "text", "text", "README"),
        ("a.rst.txt", "T\n=\n\ntext", "rst", "T"),
        ("a.HTM", "<h1>T</h1>text", "html", "T"),
        ("a.py", "def f():\n    text", "code", "f"),
        ("a.toml", "[tool]\ntext = 1", "config", "tool"),
        ("a.jsonl", '{"text": "text"}', "jsonl", ""),
        ("a.csv", "text\ntext", "csv", ""),
        ("a.tsv", "text\ntext", "tsv", ""),
    ],
)
def test_the_reader_is_chosen_by_suffix(tmp_path: Path, name: str, content: str, format: str, title: str) -> None:
    write(tmp_path / name, content)
    (document,) = documents(run(tmp_path))
    assert "text" in document.text
    assert (document.metadata["format"], document.title) == (format, title)


def test_pdf_pages_are_named_in_heading_and_metadata(tmp_path: Path) -> None:
    write(tmp_path / "two.pdf", minimal_pdf(["First page here", "Second page here"]))
    first, second = documents(run(tmp_path))
    assert (first.text, second.text) == ("First page here", "Second page here")
    assert second.place == Place("two.pdf", 0, 0, "page 2")
    assert second.metadata == {"path": "two.pdf", "format": "pdf", "page": 2}


def test_a_pdf_without_text_says_that_it_needs_ocr(tmp_path: Path) -> None:
    write(tmp_path / "scan.pdf", minimal_pdf([""]))
    assert any("OCR" in problem for problem in problems(run(tmp_path)))


@pytest.mark.parametrize("content", [b"%PDF-1.4\nnothing else", b"", b"\x00\x01no pdf", minimal_pdf(["x"])[:300]])
def test_a_broken_pdf_is_skipped_with_its_reason(tmp_path: Path, content: bytes) -> None:
    write(tmp_path / "broken.pdf", content)
    write(tmp_path / "fine.txt", "fine")
    events = run(tmp_path)
    assert [document.text for document in documents(events)] == ["fine"]
    assert skips(events)["broken.pdf"].reason is SkipReason.BROKEN
    assert "broken.pdf" in skips(events)["broken.pdf"].detail


def test_an_encrypted_pdf_says_so(tmp_path: Path) -> None:
    pypdf = pytest.importorskip("pypdf")
    writer = pypdf.PdfWriter()
    writer.add_blank_page(100, 100)
    writer.encrypt("secret", algorithm="RC4-128")
    with (tmp_path / "locked.pdf").open("wb") as stream:
        writer.write(stream)
    assert "encrypted" in skips(run(tmp_path))["locked.pdf"].detail


def test_without_pypdf_the_install_command_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypdf", None)
    write(tmp_path / "a.pdf", minimal_pdf(["x"]))
    event = skips(run(tmp_path))["a.pdf"]
    assert event.reason is SkipReason.MISSING_EXTRA
    assert "pip install 'shortlist[pdf]'" in event.detail


def test_jsonl_rows_keep_their_id_title_and_metadata(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"_id": "a", "title": "T", "text": "one", "year": 1999},
        {"id": 7, "text": "two", "metadata": {"lang": "de"}},
        {"doc_id": "c", "text": "three", "title": None},
        {"text": "four"},
    ]
    write(tmp_path / "r.jsonl", jsonl(rows))
    found = documents(run(tmp_path))
    assert [document.doc_id for document in found] == ["a", "7", "c", "r.jsonl#4"]
    assert found[0].metadata == {"path": "r.jsonl", "format": "jsonl", "year": 1999}
    assert found[1].metadata == {"path": "r.jsonl", "format": "jsonl", "lang": "de"}
    assert found[0].place == Place("r.jsonl", 1, 1, "T")


@pytest.mark.parametrize(
    ("encoding", "told"),
    [("utf-16", []), ("utf-16-le", []), ("windows-1252", ["not UTF-8; read as windows-1252"])],
)
def test_jsonl_is_decoded_as_other_text_is(encoding: str, told: list[str], tmp_path: Path) -> None:
    rows = '{"id": "1", "text": "Größe 4"}\r\n\r\nno row\r\n{"id": "2", "text": "Höhe"}'
    write(tmp_path / "r.jsonl", rows.encode(encoding))
    events = run(tmp_path)
    assert [(found.doc_id, found.text) for found in documents(events)] == [("1", "Größe 4"), ("2", "Höhe")]
    assert [one.partition(" (")[0] for one in problems(events)] == [*told, "line 3: no valid JSON"]


def test_a_bad_jsonl_line_is_reported_by_number_and_the_others_are_kept(tmp_path: Path) -> None:
    lines = [
        b'{"id": "1", "text": "kept"}',
        b'{"id": "2", "text": ',
        b"",
        b"[1, 2]",
        b'{"id": "3", "text": 5}',
        b'{"id": ["x"], "text": "y"}',
        b'{"id": "4", "title": 1, "text": "y"}',
        b'{"id": "5", "body": "y"}',
        b'{"id": "6", "text": "  "}',
        b"[" * 100_000,
        b'{"id": "7", "text": "caf\xe9 \xc3\xa9"}',
        b'{"id": "8", "text": "half \\ud83d pair"}',
        b'{"id": "1", "text": "again"}',
        b'{"id": "9", "text": "y", "score": NaN}',
        b'{"id": "10", "text": "y", "score": [-Infinity]}',
        b'{"id": "11", "text": "y", "score": 1e400}',
        b'{"id": "12", "text": "kept too", "score": 1e300}',
    ]
    write(tmp_path / "r.jsonl", b"\n".join(lines))
    events = run(tmp_path)
    kept = {document.doc_id: document.text for document in documents(events)}
    assert kept == {"1": "kept", "7": "caf\ufffd \xe9", "8": "half ? pair", "r.jsonl#13": "again", "12": "kept too"}
    reported = problems(events)
    assert [int(problem.split(":")[0].removeprefix("line ")) for problem in reported] == [
        2,
        4,
        5,
        6,
        7,
        8,
        9,
        10,
        11,
        13,
        14,
        15,
        16,
    ]
    assert "NaN is no finite number; write null" in reported[10]
    assert "'text' must be a string, not int" in reported[2]
    assert "['body', 'id']" in reported[5]


def test_long_rows_are_cut_and_remember_their_row(tmp_path: Path) -> None:
    write(tmp_path / "r.jsonl", jsonl([{"id": "long", "text": "Some words here. " * 20}, {"id": "short", "text": "x"}]))
    found = documents(run(tmp_path, recipe=Recipe(size=PassageSize(20, 30))))
    assert [document.doc_id for document in found] == ["long#1", "long#2", "long#3", "long#4", "short"]
    assert all(count_words(document.text) <= 30 for document in found)
    assert found[0].metadata["row_id"] == "long"


@pytest.mark.parametrize("is_long_first", [True, False])
def test_ids_made_by_cutting_are_kept_apart_from_those_of_rows(tmp_path: Path, is_long_first: bool) -> None:
    rows = [{"id": "x", "text": "Some words here. " * 20}, {"id": "x#1", "text": "one"}, {"id": "x#2", "text": "two"}]
    write(tmp_path / "r.jsonl", jsonl(rows if is_long_first else rows[::-1]))
    events = run(tmp_path, recipe=Recipe(size=PassageSize(20, 30)))
    assert len({document.doc_id for document in documents(events)}) == len(documents(events)) == 6
    assert ["named by its line instead" in problem for problem in problems(events)] == [True] * (1 + is_long_first)


@pytest.mark.parametrize("is_packed", [False, True])
def test_a_beir_folder_gives_its_corpus_uncut_and_nothing_else(tmp_path: Path, is_packed: bool) -> None:
    corpus = jsonl([{"_id": "d1", "title": "T", "text": "long words " * 500}]).encode()
    write(
        tmp_path / ("corpus.jsonl.gz" if is_packed else "corpus.jsonl"), gzip.compress(corpus) if is_packed else corpus
    )
    write(tmp_path / "queries.jsonl", jsonl([{"_id": "q1", "text": "no document"}]))
    write(tmp_path / "qrels" / "test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t1\n")
    events = run(tmp_path)
    (document,) = documents(events)
    assert (document.doc_id, document.metadata["format"]) == ("d1", "beir")
    assert {source: skip.reason for source, skip in skips(events).items()} == {
        "queries.jsonl": SkipReason.NOT_DOCUMENTS,
        "qrels": SkipReason.NOT_DOCUMENTS,
    }


def test_a_damaged_gzip_keeps_what_came_before(tmp_path: Path) -> None:
    packed = gzip.compress(jsonl([{"id": str(i), "text": f"text {i * 7919}"} for i in range(3000)]).encode())
    write(tmp_path / "r.jsonl.gz", packed[: len(packed) // 2])
    events = run(tmp_path)
    assert len(documents(events)) % 1000 == 0
    assert skips(events)["r.jsonl.gz"].reason is SkipReason.BROKEN


@pytest.mark.parametrize(
    ("name", "content"), [("r.jsonl.gz", '{"id": "1", "text": "x"}\n'), ("r.csv.gz", "id,text\n1,x\n")]
)
def test_a_damaged_gzip_of_a_few_bytes_is_told_and_others_are_read(name: str, content: str, tmp_path: Path) -> None:
    write(tmp_path / name, gzip.compress(content.encode())[:-4])
    write(tmp_path / "z.md", "wings")
    events = run(tmp_path)
    assert skips(events)[name].reason is SkipReason.BROKEN
    assert documents(events)[-1].text == "wings"


def test_a_column_of_a_csv_may_have_a_name_of_two_lines(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", 'id,"price\n(EUR)",text\n1,5,one\n2,6,two\n')
    (one, two) = documents(run(tmp_path))
    assert (one.text, one.metadata["price\n(EUR)"], one.place) == ("one", "5", Place("a.csv", 3, 3, ""))
    assert (two.text, two.place) == ("two", Place("a.csv", 4, 4, ""))


def test_csv_columns_delimiters_and_quotes(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", '\ufeffid,title,text,year\n1,T,"two\nlines, quoted",1999\n\n2,,plain,2000\n')
    write(tmp_path / "b.csv", "id;text\nb1;eins, zwei\n")
    write(tmp_path / "c.tsv", 'id\ttext\nc1\tan "open quote\nc2\t"a ""quoted"" cell"\n')
    found = {document.doc_id: document for document in documents(run(tmp_path))}
    assert {key: document.text for key, document in found.items()} == {
        "1": "two\nlines, quoted",
        "2": "plain",
        "b1": "eins, zwei",
        "c1": 'an "open quote',
        "c2": 'a "quoted" cell',
    }
    assert found["1"].metadata == {"path": "a.csv", "format": "csv", "year": "1999"}
    assert [found[key].place for key in ("1", "2")] == [Place("a.csv", 2, 2, "T"), Place("a.csv", 5, 5, "")]


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_quote_that_a_csv_never_closes_is_reported(end: str, tmp_path: Path) -> None:
    closed = 'id,text\n1,"two\nlines"\n2,"its ""last""\n"\n'
    write(tmp_path / "closed.csv", closed)
    write(tmp_path / "open.csv", f'id,text\n3,"open\n4,lost{end}')
    events = run(tmp_path)
    assert [(found.doc_id, found.text) for found in documents(events)] == [
        ("1", "two\nlines"),
        ("2", 'its "last"\n'),
        ("3", f"open\n4,lost{end}"),
    ]
    told = "line 2: a quote is never closed, so that all lines behind it are in this row's last cell"
    assert problems(events) == [told]


def test_a_table_without_text_column_lists_its_columns_until_told(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "key,body\n1,words\n")
    assert "['key', 'body']" in skips(run(tmp_path))["a.csv"].detail
    assert "--text-field" in skips(run(tmp_path))["a.csv"].detail
    fields = RowFields(text="body", doc_id=("key",))
    (document,) = documents(run(tmp_path, recipe=Recipe(fields=fields)))
    assert (document.doc_id, document.text) == ("1", "words")


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        (
            "a.csv",
            "id,text,lang\n1,Hello, the rest,en\n",
            "line 2: 4 cells for 3 columns; those beyond the last column",
        ),
        (
            "a.csv",
            "id,text,\n1,Hello,,\n\n2,Hello,more\n",
            "line 4: 3 cells for 2 columns; those beyond the last column",
        ),
        ("a.tsv", "id\ttext\n1\tHello\tmore\n", "line 2: 3 cells for 2 columns; those beyond the last column"),
    ],
)
def test_cells_beyond_the_columns_are_reported(tmp_path: Path, name: str, content: str, problem: str) -> None:
    write(tmp_path / name, content)
    events = run(tmp_path)
    assert [said.startswith(problem) for said in problems(events)] == [True]
    assert all(document.text == "Hello" for document in documents(events))


def test_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "text,id,text\nfirst,1,second\n")
    assert "several columns of the name 'text'; rename them" in skips(run(tmp_path))["a.csv"].detail


def test_columns_without_a_name_are_left_out(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", ",text,,id,\nx,words,y,7,\n")
    write(tmp_path / "b.csv", ",,,\nid,text\n")
    write(tmp_path / "c.csv", "id,text\n8,more\n")
    events = run(tmp_path)
    found = {document.doc_id: document for document in documents(events)}
    assert {doc_id: document.text for doc_id, document in found.items()} == {"7": "words", "8": "more"}
    assert found["7"].metadata == {"path": "a.csv", "format": "csv"}
    assert "has no column 'text'; its columns are []" in skips(events)["b.csv"].detail


@pytest.mark.parametrize(
    ("content", "text", "problem"),
    [
        ("id,text\n1,grün\n".encode("latin-1"), "grün", "not UTF-8; read as windows-1252"),
        ("id,text\n1,grün\n".encode("utf-16"), "grün", ""),
        ("id,text\n1,grün\n".encode("utf-16-le"), "grün", ""),
        ("\n \nid,text\n1,grün\n".encode("utf-8-sig"), "grün", ""),
        ("id,text\n1,grün ".encode() + b"\xff\n", "grün \ufffd", "line 2: invalid UTF-8 was replaced by U+FFFD"),
        (b"id,text\n1,\x81\n", "\ufffd", "line 2: invalid UTF-8 was replaced by U+FFFD"),
        (b"id,text\n1," + b"far " * 400_000 + b"gr\xfcn\n", "grün", "not UTF-8; read as windows-1252"),
    ],
)
@pytest.mark.parametrize("is_packed", [False, True])
def test_a_table_is_decoded_as_a_text_is(
    tmp_path: Path, content: bytes, text: str, problem: str, is_packed: bool
) -> None:
    name = "a.csv.gz" if is_packed else "a.csv"
    write(tmp_path / name, gzip.compress(content) if is_packed else content)
    events = run(tmp_path, recipe=Recipe(size=PassageSize(500_000, 600_000)))
    (document,) = documents(events)
    assert document.text.split("far ")[-1] == text
    assert document.place == Place(name, content.count(b"\n"), content.count(b"\n"))
    assert problems(events) == ([problem] if problem else [])


def test_a_csv_cell_of_5_mb_is_read(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "id,text\n1," + "word " * 100_000 + "\n2,end\n")
    assert documents(run(tmp_path, recipe=Recipe(size=PassageSize(5000, 6000))))[-1].doc_id == "2"


@pytest.mark.parametrize(
    ("content", "text", "problem"),
    [
        ("grün".encode("utf-8-sig"), "grün", ""),
        ("grün".encode("utf-16"), "grün", ""),
        ("grün".encode("utf-32"), "grün", ""),
        ("grün und mehr".encode("utf-16-le"), "grün und mehr", ""),
        ("grün".encode("latin-1"), "grün", "read as windows-1252"),
        ("grün ".encode() + b"\xff\xfe", "grün \ufffd\ufffd", "2 invalid byte sequences"),
        (b"one\r\ntwo\rthree", "one\ntwo\nthree", ""),
        (b"a" * 9000 + b"\0b", "a" * 9000 + "\ufffdb", "1 NUL"),
    ],
)
def test_encodings_are_found_and_guesses_reported(tmp_path: Path, content: bytes, text: str, problem: str) -> None:
    write(tmp_path / "a.txt", content)
    events = run(tmp_path)
    assert "".join(document.text for document in documents(events)) == text
    assert problem in "".join(problems(events))
    assert bool(problem) == bool(problems(events))


def test_html_is_decoded_as_it_declares(tmp_path: Path) -> None:
    write(tmp_path / "a.html", "<meta charset='iso-8859-5'><p>Привет".encode("iso-8859-5"))
    assert documents(run(tmp_path))[0].text == "Привет"


@pytest.mark.parametrize("charset", ["undefined", "no-such", "hex", "utf-16"])
def test_html_that_declares_nonsense_is_read_all_the_same(tmp_path: Path, charset: str) -> None:
    write(tmp_path / "a.html", f"<meta charset='{charset}'><p>café!".encode("windows-1252"))
    assert documents(run(tmp_path))[0].text == "café!"


@pytest.mark.parametrize(("name", "read"), [("a.xhtml", ["text"]), ("a.html", [])])
def test_a_page_is_xml_by_its_name(tmp_path: Path, name: str, read: list[str]) -> None:
    write(tmp_path / name, "<html><head><script src='a.js'/></head><p>text</p></html>")
    assert [document.text for document in documents(run(tmp_path))] == read


def test_binary_content_is_skipped_whatever_its_name(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", b"\x7fELF\x00\x00\x01\x02\x00\x00\x00")
    assert skips(run(tmp_path))["a.txt"].reason is SkipReason.BINARY


@pytest.mark.skipif(sys.platform != "linux", reason="the file is a hole, which other systems may write")
def test_of_a_binary_file_only_the_beginning_is_read(tmp_path: Path) -> None:
    os.truncate(write(tmp_path / "video.ts", b"G@\x00\x10"), 1 << 43)  # 8 TB: reading it all would take hours
    assert skips(run(tmp_path))["video.ts"].reason is SkipReason.BINARY


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.rst", "a.py", "a.html", "a.jsonl", "a.csv", "a.tsv"])
@pytest.mark.parametrize("content", ["", " \n\n\t"])
def test_an_empty_file_is_read_and_reported(tmp_path: Path, name: str, content: str) -> None:
    write(tmp_path / name, content)
    events = run(tmp_path)
    assert documents(events) == []
    assert "no text" in "".join(problems(events))


def test_a_single_line_of_5_mb_becomes_passages_of_line_1(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "A word here. " * 400_000)
    found = documents(run(tmp_path, recipe=Recipe(size=PassageSize(4000, 5000))))
    assert len(found) > 100
    assert {document.place for document in found} == {Place("a.txt", 1, 1)}
