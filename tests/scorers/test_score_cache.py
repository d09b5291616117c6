"""The cache of scores: what it keeps, what it shares between threads and processes, what it does without its file."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from forked import in_a_fork
from shortlist.build.named import _remembering
from shortlist.build.reranker import Reranker
from shortlist.errors import ScoreError, StoreError
from shortlist.scorers.cached import Cached, Hits
from shortlist.scorers.licensed import Licensed
from shortlist.scorers.pointwise import Pointwise
from shortlist.scorers.score_store import Kept, ScoreStore
from shortlist.types import QUERY_CUT, Document, Query, Ranking, ScoreKind, Scores, Step, Truncation

QUERY = Query("how tall?")


class Counting:
    """Scores by length, cuts at five letters, counts what it is asked, and can be held back."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fingerprint = "counting"
        self.may_go = threading.Event()
        self.may_go.set()
        self.began = threading.Event()
        self.fails = False

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        self.asked += [document.text for document in documents]
        self.began.set()
        assert self.may_go.wait(10)
        if self.fails:
            self.fails = False
            raise ScoreError("once")
        cut = tuple(Truncation(d.doc_id, 5, len(d.text)) for d in documents if len(d.text) > 5)
        values = np.asarray([len(document.text) / 3 for document in documents], np.float32)
        return Scores(values, ScoreKind.LOGIT, Step("counting", truncations=cut))


def documents(*texts: str) -> list[Document]:
    return [Document(text, str(place)) for place, text in enumerate(texts)]


def test_a_file_answers_another_cache_with_the_same_bits(tmp_path: Path) -> None:
    first = Cached(Counting(), store=ScoreStore(tmp_path / "scores.sqlite")).score(
        QUERY, documents("one", "a longer one")
    )
    again = Counting()
    cached = Cached(again, store=ScoreStore(tmp_path / "scores.sqlite"))
    second = cached.score(QUERY, documents("new", "a longer one", "one"))
    assert again.asked == ["new"]
    assert second.values[[2, 1]].tobytes() == first.values.tobytes()
    assert second.kind is ScoreKind.LOGIT
    assert second.step.truncations == (Truncation("1", 5, 12),)
    assert (second.step.counts["cached"], second.step.counts["cached_file"]) == (2, 2)
    assert cached.hits == Hits(file=2, scored=1)


def test_a_file_by_a_relative_path_stays_where_it_is_when_the_process_changes_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = ScoreStore(Path("scores.sqlite"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert len(store) == 0
    assert (tmp_path / "scores.sqlite").exists()


def test_a_query_that_was_cut_is_said_again_when_its_scores_are_kept(tmp_path: Path) -> None:
    reranker = Reranker.load("shortlist-minilm-l6", score_cache=str(tmp_path / "scores.sqlite"))
    long, texts = "how tall is it? " * 300, ["330 metres", "of iron " * 600]
    steps = [reranker.rank(long, texts).trace.steps[-1] for _ in range(2)]
    cut = steps[0].truncations
    assert [one.doc_id for one in cut] == [QUERY_CUT, "1"]
    assert steps[1].truncations == cut
    assert steps[1].counts["cached"] == 2
    notes = ("1 texts were cut when they were scored before", "the query was cut when it was scored before")
    assert set(notes) <= set(steps[1].degradations)


@pytest.mark.parametrize("ids", ["xx", ("", ""), (QUERY_CUT, QUERY_CUT)])
def test_what_was_cut_is_said_of_the_document_that_was_cut_whatever_the_ids(ids: Sequence[str]) -> None:
    asked = [Document("a longer one", ids[0]), Document("one", ids[1])]
    cached = Cached(Counting())
    for documents in (asked, asked, asked[::-1]):
        assert cached.score(QUERY, documents).step.truncations == (Truncation(ids[0], 5, 12),)
    assert cached.score(QUERY, asked[1:]).step.truncations == ()
    moved = [Document("one", "first"), Document("a longer one", "second")]
    assert cached.score(QUERY, moved).step.truncations == (Truncation("second", 5, 12),)


def test_a_document_with_the_id_of_the_query_is_not_taken_for_it() -> None:
    cached = Cached(Counting())
    cached.score(QUERY, [Document("a longer one", QUERY_CUT), Document("one", "1")])
    assert cached.score(QUERY, [Document("one", "1")]).step.truncations == ()


def test_equal_texts_of_one_call_were_not_cut_before() -> None:
    step = Cached(Counting()).score(QUERY, documents("a longer one", "a longer one")).step
    assert [one.doc_id for one in step.truncations] == ["0", "1"]
    assert step.degradations == ()


def test_empty_documents_are_said_again_when_their_scores_are_kept() -> None:
    reranker = Reranker.load("shortlist-minilm-l6", score_cache="memory")
    fresh, again, more = (
        reranker.rank("how tall?", texts).trace.steps[-1].degradations
        for texts in (["", " ", "", "330 metres"], ["", " ", "", "330 metres"], ["  ", "", "iron"])
    )
    assert fresh == again == ("3 documents are empty",)
    assert more == ("2 documents are empty",)


def test_of_two_readings_of_a_document_the_shorter_one_is_kept() -> None:
    class Twice(Counting):
        def score(self, query: Query, documents: Sequence[Document]) -> Scores:
            scores = super().score(query, documents)
            longer = [replace(one, seen=8) for one in scores.step.truncations]
            return replace(scores, step=replace(scores.step, truncations=(*scores.step.truncations, *longer)))

    cached = Cached(Twice())
    cached.score(QUERY, documents("a longer one"))
    assert cached.score(QUERY, documents("a longer one")).step.truncations == (Truncation("0", 5, 12),)


def test_what_is_no_number_is_not_kept(tmp_path: Path) -> None:
    class Flickering(Counting):
        def score(self, query: Query, documents: Sequence[Document]) -> Scores:
            scores = super().score(query, documents)
            return replace(scores, values=scores.values * (np.nan if len(self.asked) == 1 else 1))

    store = ScoreStore(tmp_path / "scores.sqlite")
    cached = Cached(Flickering(), store=store)
    assert np.isnan(cached.score(QUERY, documents("one")).values).all()
    assert len(store) == 0
    assert cached.score(QUERY, documents("one")).values.tolist() == [1]


def test_a_licence_and_the_model_are_named_whoever_knew_the_scores() -> None:
    remembering = _remembering(Pointwise(Licensed(Counting(), "not for sale")), "memory")
    candidates = Ranking.from_scores(QUERY, documents("one", "three"), [2.0, 1.0], kind=ScoreKind.BM25, stage="bm25")
    fresh, again = (remembering.rerank(candidates).trace.steps[-1] for _ in range(2))
    assert again.counts["cached"] == 2
    assert again.facts == {"model": "counting", "licence": "not for sale"}
    assert fresh.degradations == again.degradations == ("not for sale",)


def test_groups_share_what_is_scored() -> None:
    counting = Counting()
    cached = Cached(counting)
    groups = [(QUERY, documents("a", "b", "a")), (QUERY, documents("b", "cc")), (Query("other"), documents("a"))]
    found = cached.score_groups(groups)
    assert counting.asked == ["a", "b", "cc", "a"]
    assert [one.values.tolist() for one in found] == [
        pytest.approx([1 / 3, 1 / 3, 1 / 3]),
        pytest.approx([1 / 3, 2 / 3]),
        pytest.approx([1 / 3]),
    ]


def test_a_pair_that_is_being_scored_is_waited_for() -> None:
    counting = Counting()
    counting.may_go.clear()
    cached = Cached(counting)
    found: list[Scores] = []
    threads = [
        threading.Thread(target=lambda: found.append(cached.score(QUERY, documents("same", "too")))) for _ in range(4)
    ]
    threads[0].start()
    assert counting.began.wait(10)
    for thread in threads[1:]:
        thread.start()
    counting.may_go.set()
    for thread in threads:
        thread.join(10)
    assert counting.asked == ["same", "too"]
    assert len({one.values.tobytes() for one in found}) == 1
    assert cached.hits.scored == 2
    assert cached.hits.shared + cached.hits.memory == 6


def test_a_small_call_does_not_wait_for_a_large_one_that_has_its_pair_scored() -> None:
    counting = Counting()
    counting.may_go.clear()
    cached = Cached(counting)
    large = threading.Thread(target=lambda: cached.score(QUERY, documents("same", "too", "three")))
    large.start()
    assert counting.began.wait(10)
    held, counting.may_go = counting.may_go, threading.Event()
    counting.may_go.set()
    assert cached.score(QUERY, documents("same")).step.counts["cached"] == 0
    assert large.is_alive()
    held.set()
    large.join(10)
    assert counting.asked == ["same", "too", "three", "same"]
    assert cached.score(QUERY, documents("same", "too", "three")).step.counts["cached"] == 3


def test_who_waits_scores_himself_when_the_other_fails() -> None:
    counting = Counting()
    counting.fails = True
    counting.may_go.clear()
    cached = Cached(counting)
    outcomes: list[object] = []

    def ask() -> None:
        try:
            outcomes.append(cached.score(QUERY, documents("a")).values.tolist())
        except ScoreError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert counting.began.wait(10)
    counting.may_go.set()
    for thread in threads:
        thread.join(10)
    assert "once" in outcomes
    assert pytest.approx([1 / 3]) in outcomes
    assert cached.score(QUERY, documents("a")).step.counts["cached"] == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Python warns of forks with threads: that is the point
def test_a_process_that_is_forked_while_pairs_are_scored_and_read_waits_for_no_thread_of_the_other(
    tmp_path: Path,
) -> None:
    scoring, store = Counting(), ScoreStore(tmp_path / "scores.sqlite")
    reads, loads = threading.Event(), threading.Event()
    cached, reranker = Cached(scoring, store=store), Reranker("lexical", kind="lexical")
    store.put({b"known": Kept(0.5, ScoreKind.LOGIT)})

    def slowly() -> Iterator[bytes]:
        reads.set()
        yield b"known"
        assert scoring.may_go.wait(100)

    def load() -> None:
        with reranker._lock:
            loads.set()
            assert scoring.may_go.wait(100)

    def scores_and_ranks() -> bool:
        scoring.may_go = threading.Event()
        scoring.may_go.set()
        values = cached.score(QUERY, documents("a")).values.tolist()
        return values == pytest.approx([1 / 3]) and len(store) == 2 and len(reranker.rank("a", ["a"])) == 1

    scoring.may_go.clear()
    threads = [threading.Thread(target=lambda: cached.score(QUERY, documents("a")))]
    threads[0].start()
    assert scoring.began.wait(10)
    threads += [threading.Thread(target=lambda: store.get(slowly())), threading.Thread(target=load)]
    for thread in threads[1:]:
        thread.start()
    assert reads.wait(10)
    assert loads.wait(10)
    assert in_a_fork(scores_and_ranks)
    scoring.may_go.set()
    for thread in threads:
        thread.join(10)
    assert len(store) == 2


def test_a_store_forgets_what_was_used_longest_ago(tmp_path: Path) -> None:
    hours = iter(range(0, 3_600_000, 3600))
    store = ScoreStore(tmp_path / "scores.sqlite", pairs=10, clock=lambda: float(next(hours)))
    for number in range(10):
        store.put({bytes([number]): Kept(float(number), ScoreKind.LOGIT)})
    assert store.get([bytes([0])])  # used again
    store.put({bytes([99]): Kept(1.5, ScoreKind.LOGIT)})
    assert len(store) == 9
    assert set(store.get(bytes([number]) for number in range(100))) == {
        bytes([n]) for n in (0, 3, 4, 5, 6, 7, 8, 9, 99)
    }


@pytest.mark.parametrize("content", [b"this is no database, " * 100, None])
def test_without_its_file_a_cache_scores_and_says_so(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "scores.sqlite"
    file.mkdir() if content is None else file.write_bytes(content)
    cached = Cached(Counting(), store=ScoreStore(file))
    scores = cached.score(QUERY, documents("abc"))
    assert scores.values.tolist() == [1.0]
    assert any("cannot be used" in note and "delete the file" in note for note in scores.step.degradations)


def test_a_locked_file_is_not_waited_for_long(tmp_path: Path) -> None:
    store = ScoreStore(tmp_path / "scores.sqlite")
    store.put({b"a": Kept(1.0, ScoreKind.LOGIT)})
    other = sqlite3.connect(store.file)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        store.put({b"b": Kept(2.0, ScoreKind.LOGIT)})
    other.close()
    store.put({b"b": Kept(2.0, ScoreKind.LOGIT)})
    assert len(store) == 2


def test_a_file_of_another_version_begins_anew(tmp_path: Path) -> None:
    store = ScoreStore(tmp_path / "scores.sqlite")
    store.put({b"a": Kept(1.0, ScoreKind.LOGIT)})
    store.close()
    with sqlite3.connect(store.file) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert ScoreStore(store.file).get([b"a"]) == {}


def _fill(file: Path, first: int) -> None:
    store = ScoreStore(file)
    for number in range(first, first + 50):
        key = number.to_bytes(4, "big")
        while True:
            try:
                store.put({key: Kept(float(number), ScoreKind.LOGIT)})
                break
            except StoreError:
                continue


def test_processes_write_into_one_file(tmp_path: Path) -> None:
    file = tmp_path / "scores.sqlite"
    spawn = multiprocessing.get_context("spawn")
    running = [spawn.Process(target=_fill, args=(file, first)) for first in (0, 25, 50)]
    for process in running:
        process.start()
    for process in running:
        process.join(60)
    assert [process.exitcode for process in running] == [0, 0, 0]
    store = ScoreStore(file)
    assert len(store) == 100
    found = store.get(number.to_bytes(4, "big") for number in range(100))
    assert [found[number.to_bytes(4, "big")].value for number in range(100)] == [float(n) for n in range(100)]


def test_a_reranker_remembers_in_a_file(tmp_path: Path) -> None:
    file = str(tmp_path / "scores.sqlite")
    texts = ["It is 330 m tall.", "It is of iron."]
    first, again = (Reranker("shortlist-minilm-l6", score_cache=file).rank("how tall?", texts) for _ in range(2))
    assert [item.score for item in first] == [item.score for item in again]
    assert again.trace.steps[-1].counts["cached"] == 2


def test_a_scorer_that_gives_too_few_scores_is_named() -> None:
    class Short(Counting):
        def score(self, query: Query, documents: Sequence[Document]) -> Scores:
            return super().score(query, documents[:1])

    with pytest.raises(ScoreError, match="counting gave 1 scores for 2 documents"):
        Cached(Short()).score(QUERY, documents("a", "b"))
