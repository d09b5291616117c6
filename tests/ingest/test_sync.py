"""A run touches only what changed, and an interrupted one goes on where it stopped."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.errors import InputError
from shortlist.ingest import (
    Event,
    FileRead,
    FileRemoved,
    FilesFound,
    FileSkipped,
    FileUnchanged,
    Fingerprint,
    Recipe,
    SkipReason,
    ingest,
)
from shortlist.ingest.formats import PLAIN
from shortlist.ingest.plan import is_below, plan
from shortlist.ingest.sync import PART, read
from shortlist.ingest.walk import FoundFile
from shortlist.passages.size import PassageSize

from .material import documents, jsonl, minimal_pdf, problems, reads, run, skips, write


class Ledger:
    """Keeps documents as an index should: by source, one commit an event."""

    def __init__(self) -> None:
        self.known: dict[str, Fingerprint] = {}
        self.doc_ids: dict[str, list[str]] = {}

    def commit(self, events: Iterable[Event], *, stop_after: int = 10**9) -> list[Event]:
        done: list[Event] = []
        for event in events:
            if isinstance(event, FileRead):
                kept = [] if event.replaces else self.doc_ids[event.source]
                self.doc_ids[event.source] = kept + [document.doc_id for document in event.documents]
            if isinstance(event, FileRead | FileUnchanged):
                self.known[event.source] = event.fingerprint
            if isinstance(event, FileRemoved):
                del self.known[event.source], self.doc_ids[event.source]
            done.append(event)
            if len(reads(done)) == stop_after:
                break
        return done

    def all_ids(self) -> list[str]:
        return sorted(doc_id for ids in self.doc_ids.values() for doc_id in ids)


def test_a_second_run_reads_only_what_changed(tmp_path: Path) -> None:
    ledger = Ledger()
    for name in "abcd":
        write(tmp_path / f"{name}.md", f"text of {name}")
    ledger.commit(run(tmp_path))
    write(tmp_path / "b.md", "changed text of b")
    (tmp_path / "c.md").unlink()
    os.utime(tmp_path / "d.md", ns=(1, 1))
    write(tmp_path / "e.md", "new")
    events = ledger.commit(run(tmp_path, ledger.known))
    assert [type(event).__name__ for event in events] == [
        "FilesFound",
        "FileUnchanged",
        "FileRead",
        "FileUnchanged",
        "FileRead",
        "FileRemoved",
    ]
    assert [event.source for event in reads(events)] == ["b.md", "e.md"]
    assert ledger.known["d.md"].mtime_ns == 1, "the new time makes the next run quick again"
    assert ledger.all_ids() == ["a.md#1", "b.md#1", "d.md#1", "e.md#1"]


def test_the_found_files_are_announced_first(tmp_path: Path) -> None:
    write(tmp_path / "a.md", "12345")
    found = run(tmp_path)[0]
    assert isinstance(found, FilesFound)
    assert found.plan.added == ("a.md",)


def test_another_recipe_reads_everything_again(tmp_path: Path) -> None:
    ledger = Ledger()
    write(tmp_path / "a.md", "text")
    ledger.commit(run(tmp_path))
    assert reads(run(tmp_path, ledger.known)) == []
    assert len(reads(run(tmp_path, ledger.known, recipe=Recipe(size=PassageSize(10, 20))))) == 1


def test_another_folder_leaves_what_was_indexed_from_the_first(tmp_path: Path) -> None:
    write(tmp_path / "one" / "a.md", "text")
    write(tmp_path / "two" / "b.md", "text")
    ledger = Ledger()
    ledger.commit(ingest([tmp_path / "one"], {}, base=tmp_path))
    ledger.commit(ingest([tmp_path / "two"], ledger.known, base=tmp_path))
    assert ledger.all_ids() == ["one/a.md#1", "two/b.md#1"]


def test_a_file_that_cannot_be_read_any_more_keeps_what_is_known(tmp_path: Path) -> None:
    ledger = Ledger()
    write(tmp_path / "a.pdf", minimal_pdf(["fine"]))
    ledger.commit(run(tmp_path))
    write(tmp_path / "a.pdf", b"%PDF-1.4 broken")
    events = ledger.commit(run(tmp_path, ledger.known))
    assert skips(events)["a.pdf"].reason is SkipReason.BROKEN
    assert ledger.all_ids() == ["a.pdf#1"]


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_an_interrupted_large_file_goes_on_without_duplicates(tmp_path: Path, stop_after: int) -> None:
    write(tmp_path / "big.jsonl", jsonl([{"id": f"{i:05}", "text": "x"} for i in range(3 * PART + 7)]))
    ledger = Ledger()
    ledger.commit(run(tmp_path), stop_after=stop_after)
    assert len(ledger.all_ids()) == stop_after * PART
    again = ledger.commit(run(tmp_path, ledger.known))
    assert [event.part for event in reads(again)] == list(range(stop_after + 1, 5))
    assert ledger.all_ids() == [f"{i:05}" for i in range(3 * PART + 7)]
    assert reads(run(tmp_path, ledger.known)) == []


def test_an_interrupted_file_that_changed_starts_again(tmp_path: Path) -> None:
    write(tmp_path / "big.jsonl", jsonl([{"id": f"old{i}", "text": "x"} for i in range(2 * PART)]))
    ledger = Ledger()
    ledger.commit(run(tmp_path), stop_after=1)
    write(tmp_path / "big.jsonl", jsonl([{"id": f"new{i}", "text": "x"} for i in range(3)]))
    ledger.commit(run(tmp_path, ledger.known))
    assert ledger.all_ids() == ["new0", "new1", "new2"]


@pytest.mark.parametrize("count", [0, 1, PART - 1, PART, PART + 1, 2 * PART])
def test_parts_have_their_size_and_the_last_one_says_so(tmp_path: Path, count: int) -> None:
    write(tmp_path / "big.jsonl", jsonl([{"id": str(i), "text": "x"} for i in range(count)]))
    parts = reads(run(tmp_path))
    assert sum(len(part.documents) for part in parts) == count
    assert all(len(part.documents) == PART for part in parts[:-1])
    assert [part.is_last for part in parts] == [False] * (len(parts) - 1) + [True]


def test_large_files_are_read_as_the_events_are_asked_for(tmp_path: Path) -> None:
    lines = [f'{{"id": "{i}", "text": "x"}}' for i in range(PART + 1)] + ["no json"]
    write(tmp_path / "big.jsonl", "\n".join(lines))
    events = ingest([tmp_path], {}, base=tmp_path)
    first = next(event for event in events if isinstance(event, FileRead))
    assert (first.part, first.problem_count) == (1, 0)
    assert next(events).problem_count == 1  # type: ignore[union-attr]


def test_many_problems_are_counted_and_only_the_first_are_kept(tmp_path: Path) -> None:
    write(tmp_path / "bad.jsonl", "no json\n" * 500)
    (event,) = reads(run(tmp_path))
    assert event.problem_count == 501
    assert len(event.problems) == 20


def test_a_file_that_vanishes_after_the_listing_is_skipped(tmp_path: Path) -> None:
    write(tmp_path / "a.md", "text")
    gone = write(tmp_path / "b.md", "text")
    events = ingest([tmp_path], {}, base=tmp_path)
    assert isinstance(next(events), FilesFound)
    gone.unlink()
    rest = list(events)
    assert [event.source for event in reads(rest)] == ["a.md"]
    assert skips(rest)["b.md"].reason is SkipReason.VANISHED


def test_a_file_that_changes_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    rows = jsonl([{"id": str(i), "text": "x"} for i in range(2 * PART)])
    file = write(tmp_path / "big.jsonl", rows)
    ledger = Ledger()
    events = ingest([tmp_path], {}, base=tmp_path)
    ledger.commit(events, stop_after=1)
    with file.open("a") as stream:
        stream.write(jsonl([{"id": "late", "text": "x"}]))
    rest = ledger.commit(events)
    assert "changed while it was read" in problems(rest)[0]
    assert [event.part for event in reads(ledger.commit(run(tmp_path, ledger.known)))] == [1, 2, 3]
    assert len(ledger.all_ids()) == len(set(ledger.all_ids())) == 2 * PART + 1


def test_an_interrupt_passes_through(tmp_path: Path) -> None:
    write(tmp_path / "big.jsonl", jsonl([{"id": str(i), "text": "x"} for i in range(2 * PART)]))
    events = ingest([tmp_path], {}, base=tmp_path)
    next(event for event in events if isinstance(event, FileRead))
    with pytest.raises(KeyboardInterrupt):
        events.throw(KeyboardInterrupt())  # type: ignore[attr-defined]


def test_a_single_file_can_be_read_by_itself(tmp_path: Path) -> None:
    file = write(tmp_path / "a.md", "text")
    found = FoundFile(file, "a.md", PLAIN, 4, 0)
    assert [document.text for document in documents(list(read(found)))] == ["text"]


names = st.sampled_from(["a.md", "b.md", "x/a.md", "x/b.md", "x/y/c.md", "xy/a.md", "/abs/a.md"])
prints = st.builds(
    Fingerprint, st.integers(0, 1), st.integers(0, 1), st.sampled_from(["", "s"]), st.just("r"), st.integers(0, 1)
)


@settings(deadline=None)
@given(
    st.sets(names), st.dictionaries(names, prints), st.sampled_from(["", "x", "/abs"]), st.sampled_from(["x/y", "b.md"])
)
def test_a_plan_has_every_file_once_and_removes_only_below_its_roots(
    present: set[str], known: dict[str, Fingerprint], root: str, held: str
) -> None:
    found = [FoundFile(Path(name), name, PLAIN, 1, 1) for name in sorted(present)]
    made = plan(found, known, roots=[root], held=[held], recipe="r")
    assert sorted(made.added + made.touched + made.unchanged) == sorted(present)
    assert all((known[name].size, known[name].mtime_ns, known[name].parts) == (1, 1, 0) for name in made.unchanged)
    gone = {name for name in known if name not in present}
    assert set(made.removed) == {name for name in gone if is_below(name, [root]) and not is_below(name, [held])}


@pytest.mark.parametrize(
    ("source", "root", "expected"),
    [
        ("x/a", "x", True),
        ("x", "x", True),
        ("xy/a", "x", False),
        ("a", "", True),
        ("/a", "", False),
        ("C:/a", "", False),
        ("/a/b", "/", True),
    ],
)
def test_below(source: str, root: str, expected: bool) -> None:
    assert is_below(source, [root]) is expected


def test_content_decides_whatever_the_time_says() -> None:
    one = Fingerprint(1, 1, "s", "r")
    assert one.has_content_of(replace(one, mtime_ns=2, parts=3))
    assert not one.has_content_of(replace(one, recipe="other"))
    assert not replace(one, sha256="").has_content_of(replace(one, sha256=""))


def test_events_of_unreadable_folders_keep_their_sources(tmp_path: Path) -> None:
    held = FileSkipped("x", SkipReason.UNREADABLE, "Permission denied")
    known = {"x/a.md": Fingerprint(1, 1, "s")}
    assert plan([], known, roots=[""], held=[held.source]).removed == ()
    assert plan([], known, roots=[""]).removed == ("x/a.md",)


def test_a_source_has_one_name_whichever_links_lead_to_it(tmp_path: Path) -> None:
    write(tmp_path / "real/docs" / "a.txt", "wings")
    write(tmp_path / "real/docs" / "sub/b.txt", "soup")
    (tmp_path / "link").symlink_to("real")
    ledger = Ledger()
    for way, base in (("real", "real"), ("link", "real"), ("link", "link"), ("real", "link")):
        ledger.commit(ingest([tmp_path / way / "docs"], ledger.known, base=tmp_path / base))
        assert sorted(ledger.known) == ["docs/a.txt", "docs/sub/b.txt"]
    for way in ("real", "link"):
        (found,) = [
            event for event in ingest([tmp_path / way], {}, base=tmp_path / way) if isinstance(event, FilesFound)
        ]
        assert sorted(found.plan.added) == ["docs/a.txt", "docs/sub/b.txt"]


def test_what_is_skipped_is_skipped_whichever_links_lead_to_it(tmp_path: Path) -> None:
    write(tmp_path / "real/docs" / "a.txt", "wings")
    write(tmp_path / "real/docs" / "index/b.txt", "soup")
    (tmp_path / "link").symlink_to("real/docs")
    for way, skip in (("link", "real/docs/index"), ("real/docs", "link/index")):
        events = list(ingest([tmp_path / way], {}, base=tmp_path, skip=[tmp_path / skip]))
        assert [event.source for event in reads(events)] == [f"{way}/a.txt"]


def test_an_index_that_is_a_link_is_skipped_by_either_of_its_names(tmp_path: Path) -> None:
    write(tmp_path / "docs/a.txt", "wings")
    write(tmp_path / "big/b.txt", "soup")
    (tmp_path / "docs/index").symlink_to("../big")
    for skip in ("docs/index", "big"):
        events = list(ingest([tmp_path / "docs"], {}, base=tmp_path, skip=[tmp_path / skip]))
        assert [event.source for event in reads(events)] == ["docs/a.txt"]
        assert skips(events) == {}


def test_a_path_that_is_gone_takes_with_it_what_is_known_of_it(tmp_path: Path) -> None:
    write(tmp_path / "docs/a.txt", "wings")
    write(tmp_path / "docs/sub/b.txt", "soup")
    write(tmp_path / "kept.txt", "heat")
    ledger = Ledger()
    ledger.commit(ingest([tmp_path], ledger.known, base=tmp_path))
    (tmp_path / "docs").rename(tmp_path / "manual")
    with pytest.raises(InputError, match="there is no file or folder"):
        ingest([tmp_path / "dosc"], ledger.known, base=tmp_path)
    ledger.commit(ingest([tmp_path / "manual", tmp_path / "docs"], ledger.known, base=tmp_path))
    assert sorted(ledger.known) == ["kept.txt", "manual/a.txt", "manual/sub/b.txt"]
