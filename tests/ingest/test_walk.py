"""Which files are taken, under which names, in which order."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from shortlist.errors import InputError
from shortlist.ingest import SkipReason, ingest
from shortlist.ingest.events import FileSkipped
from shortlist.ingest.formats import FORMATS
from shortlist.ingest.walk import FoundFile, checked_paths, walk

from .material import documents, reads, run, skips, write

needs_posix = pytest.mark.skipif(os.name != "posix", reason="POSIX paths and permissions")


def sources(*paths: Path, base: Path, skip: tuple[Path, ...] = ()) -> list[str]:
    return [item.source for item in walk(paths, base=base, skip=skip) if isinstance(item, FoundFile)]


def test_order_is_by_name_and_hidden_or_generated_folders_are_left_out(tmp_path: Path) -> None:
    for name in ["b.md", "a/z.md", "a.md", ".git/x.md", ".hidden.md", "node_modules/x.md", "__pycache__/x.py"]:
        write(tmp_path / name, "text")
    write(tmp_path / "env" / "pyvenv.cfg", "")
    write(tmp_path / "env" / "x.py", "text")
    write(tmp_path / "index" / "x.md", "text")
    assert sources(tmp_path, base=tmp_path, skip=(tmp_path / "index",)) == ["a/z.md", "a.md", "b.md"]


def test_gitignore_files_are_honoured_at_every_level(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    write(tmp_path / ".gitignore", "*.txt\n/build/\n")
    write(tmp_path / "docs" / ".gitignore", "!keep.txt\n")
    for name in ["a.txt", "a.md", "build/x.md", "docs/keep.txt", "docs/other.txt", "docs/build/x.md"]:
        write(tmp_path / name, "text")
    assert sources(tmp_path, base=tmp_path) == ["a.md", "docs/build/x.md", "docs/keep.txt"]
    assert sources(tmp_path / "docs", base=tmp_path) == ["docs/build/x.md", "docs/keep.txt"]
    assert sources(tmp_path / "build", base=tmp_path) == ["build/x.md"], "a named folder is taken"


def test_lines_of_a_gitignore_file_that_mean_nothing_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path / ".gitignore", "\ufeff*.txt\n!\n\\\n[z-a]\n*.rst\n")
    for name in ["a.txt", "a.md", "a.rst"]:
        write(tmp_path / name, "text")
    assert sources(tmp_path, base=tmp_path) == ["a.md"]


def test_a_file_that_is_named_is_taken_whatever_it_is_called(tmp_path: Path) -> None:
    write(tmp_path / ".gitignore", "*.md\n")
    named = [write(tmp_path / name, "text") for name in [".hidden.md", "data.json", "page.xyz"]]
    assert sources(*named, base=tmp_path) == [".hidden.md", "data.json", "page.xyz"]


def test_files_without_reader_are_reported(tmp_path: Path) -> None:
    write(tmp_path / "sheet.xlsx", "x")
    event = skips(run(tmp_path))["sheet.xlsx"]
    assert event.reason is SkipReason.UNKNOWN_FORMAT
    assert ".xlsx" in event.detail


def test_a_source_outside_the_base_is_absolute(tmp_path: Path) -> None:
    file = write(tmp_path / "elsewhere" / "a.md", "text")
    assert sources(file, base=tmp_path / "here") == [file.as_posix()]


def test_a_file_named_twice_is_taken_once(tmp_path: Path) -> None:
    file = write(tmp_path / "a.md", "text")
    assert sources(tmp_path, file, base=tmp_path) == ["a.md"]


@needs_posix
def test_links_are_followed_once_and_loops_end(tmp_path: Path) -> None:
    write(tmp_path / "root" / "real" / "a.md", "text")
    outside = write(tmp_path / "outside" / "b.md", "text")
    (tmp_path / "root" / "aaa").symlink_to(tmp_path / "root")
    (tmp_path / "root" / "bbb.md").symlink_to(tmp_path / "root" / "real" / "a.md")
    (tmp_path / "root" / "ccc").symlink_to(outside.parent)
    (outside.parent / "back").symlink_to(tmp_path / "root")
    assert sources(tmp_path / "root", base=tmp_path / "root") == ["real/a.md", "ccc/b.md"]


@needs_posix
def test_a_dangling_link_is_reported(tmp_path: Path) -> None:
    (tmp_path / "gone.md").symlink_to(tmp_path / "nowhere.md")
    (tmp_path / "folder").symlink_to(tmp_path / "nowhere")
    skipped = skips(run(tmp_path))
    assert {skipped["gone.md"].reason, skipped["folder"].reason} == {SkipReason.VANISHED}


@needs_posix
def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    assert skips(run(tmp_path))["pipe.txt"].reason is SkipReason.UNREADABLE


@needs_posix
@pytest.mark.skipif(sys.platform == "darwin", reason="macOS refuses names that are not UTF-8")
def test_odd_names_give_printable_sources(tmp_path: Path) -> None:
    write(tmp_path / "with space.md", "one")
    write(tmp_path / "日本 ü.md", "two")
    write(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.md")), "three")
    found = {document.doc_id: document.text for document in documents(run(tmp_path))}
    assert found == {"with space.md#1": "one", "日本 ü.md#1": "two", "caf\\xe9.md#1": "three"}
    assert all(name.encode() for name in found)


def test_folders_may_be_nested_deeper_than_calls(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(300):
        deep = deep / "d"
    deep.mkdir(parents=True)
    write(deep / "a.md", "text")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(250)
    try:
        assert sources(tmp_path, base=tmp_path) == ["d/" * 300 + "a.md"]
    finally:
        sys.setrecursionlimit(limit)


@pytest.mark.parametrize(("paths", "message"), [([], "at least one"), (["no/such"], "no/such"), ("text", "list")])
def test_paths_that_cannot_be_read_at_all_are_an_error_at_once(paths: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ingest(paths, {})


def test_a_plugin_adds_a_format_with_an_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "site" / "shouting-1.0.dist-info"
    write(info / "METADATA", "Metadata-Version: 2.1\nName: shouting\nVersion: 1.0\n")
    write(info / "entry_points.txt", "[shortlist.readers]\n.loud = shouting:read\n")
    write(
        tmp_path / "site" / "shouting.py",
        "from shortlist.types import Document\n\n\ndef read(file):\n    yield Document(file.read().decode().upper())\n",
    )
    monkeypatch.syspath_prepend(tmp_path / "site")
    from shortlist.ingest import formats

    formats._plugins.cache_clear()
    try:
        write(tmp_path / "data" / "a.loud", "quiet")
        assert [document.text for document in documents(run(tmp_path / "data"))] == ["QUIET"]
    finally:
        formats._plugins.cache_clear()


def test_every_registered_reader_can_be_imported() -> None:
    for known in FORMATS:
        assert callable(known.load())


@needs_posix
def test_what_may_not_be_read_is_reported_and_the_rest_is_read(tmp_path: Path) -> None:
    write(tmp_path / "fine.md", "text")
    locked = write(tmp_path / "locked.md", "text")
    folder = write(tmp_path / "folder" / "inside.md", "text").parent
    with unprivileged(tmp_path):
        locked.chmod(0)
        folder.chmod(0)
        try:
            events = run(tmp_path)
        finally:
            locked.chmod(0o600)
            folder.chmod(0o700)
    assert [event.source for event in reads(events)] == ["fine.md"]
    assert {source: event.reason for source, event in skips(events).items()} == {
        "folder": SkipReason.UNREADABLE,
        "locked.md": SkipReason.UNREADABLE,
    }


class unprivileged:  # noqa: N801 - reads as a statement
    """Give up root's right to read everything, where the tests run as root."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._is_root = hasattr(os, "geteuid") and os.geteuid() == 0

    def __enter__(self) -> None:
        if self._is_root:
            nobody = 65534
            for path in [self._folder, *self._folder.rglob("*")]:
                os.chown(path, nobody, nobody)
            for parent in self._folder.parents:
                if parent.name.startswith(("pytest-", "popen-")):  # pytest's own; no other folder's rights change
                    parent.chmod(0o755)
            os.seteuid(nobody)

    def __exit__(self, *_: object) -> None:
        if self._is_root:
            os.seteuid(0)


def test_checked_paths_keeps_their_order(tmp_path: Path) -> None:
    second, first = write(tmp_path / "b.md", ""), write(tmp_path / "a.md", "")
    assert checked_paths([second, str(first)]) == (second, first)


def test_an_event_is_a_value() -> None:
    skipped = FileSkipped("a", SkipReason.BINARY, "b")
    assert skipped == FileSkipped("a", SkipReason.BINARY, "b")
    assert hash(skipped)
