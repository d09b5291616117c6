from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shortlist.errors import (
    IndexLockedError,
    IndexMismatchError,
    IndexNotFoundError,
    InputError,
    RemoteRequestError,
    RemoteUnavailableError,
    StoreError,
)
from shortlist.retrieval import BM25, Dense, Hybrid, Index
from shortlist.retrieval.remote import Address, RemoteIndex, Retrying, Spread, push
from shortlist.retrieval.remote.connect import connect
from shortlist.retrieval.remote.engine import Server
from shortlist.retrieval.remote.terms import Statistics
from shortlist.transport.policy import Policy
from shortlist.types import Document, Query, Ranking

from .material import HashingEncoder
from .stores import PATIENT, STORES, layout_of, server_of

WORDS = ["wing", "swept", "lift", "drag", "soup", "onion", "reactor", "heat", "exchanger", "boundary", "layer", "flow"]
PATIENTLY = Retrying(PATIENT)


def documents(number: int) -> list[Document]:
    """Texts of different lengths and word counts, so that every part of BM25 has an effect."""
    return [
        Document(
            " ".join(WORDS[(i * 7 + j * (i % 5 + 1)) % len(WORDS)] for j in range(3 + i % 17)) + f" only{i}",
            f"d{i}",
            metadata={"part": i % 3},
        )
        for i in range(number)
    ]


@pytest.fixture(params=[kind for kind in STORES if kind != "embedded"])
def remote(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Server, Address]]:
    with server_of(request.param, tmp_path) as (server, address):
        yield server, address
        for name in (server.behind(address.name), f"{address.name}_half"):
            if name is not None and server.has(name):
                server.drop(name)


def make(folder: Path, count: int) -> Path:
    with Index.create(folder, encoder=HashingEncoder()) as index:
        index.upsert(documents(count))
        index.upsert([Document(" ", "blank"), Document("wing wing", "d1")])
        index.delete(["d2"])
    return folder


class CutError(Exception):
    """What stands for a process that is killed."""


class CutOff:
    """A collection whose connection is lost for good after so many writes."""

    def __init__(self, collection: Any, *, after: int) -> None:
        self._collection, self._left = collection, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._collection, name)

    def write(self, points: Any) -> None:
        if self._left == 0:
            raise CutError
        self._left -= 1
        self._collection.write(points)


class CutOffServer:
    """A server whose next collection is cut off."""

    def __init__(self, server: Server, *, after: int) -> None:
        self._server, self._after = server, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)

    def create(self, *arguments: Any) -> Any:
        return CutOff(self._server.create(*arguments), after=self._after)


def assert_same(here: Ranking, there: Ranking) -> None:
    """Check that two rankings differ by rounding only: engines add up in different orders, and so break ties."""
    near, far = ({item.doc_id: item.score for item in ranking} for ranking in (here, there))
    assert list(far.values()) == pytest.approx(list(near.values()), abs=1e-3)
    assert {doc_id: near[doc_id] for doc_id in far if doc_id in near} == pytest.approx(
        {doc_id: far[doc_id] for doc_id in far if doc_id in near}, abs=1e-3
    )
    assert all(near[doc_id] == pytest.approx(here[-1].score, abs=1e-3) for doc_id in near if doc_id not in far)


def test_a_pushed_index_gives_the_same_results(remote: tuple[Server, Address], tmp_path: Path) -> None:
    server, address = remote
    encoder = HashingEncoder()
    with Index.open(make(tmp_path / "i", 400), encoder=encoder, read_only=True) as index:
        pushed = push(index, server, address, retrying=PATIENTLY)
        assert (pushed.documents, pushed.resumed_at, pushed.replaced) == (400, 0, "")
        there = RemoteIndex(server, address.name, encoder=encoder, retrying=PATIENTLY)
        assert there.count() == index.count() == 400
        both: list[Index | RemoteIndex] = [index, there]
        for text in ("swept wing", "onion soup reactor", "boundary layer flow", "only17"):
            for where in (None, {"part": [0, 2]}):
                for arms in ([BM25(index, where), BM25(there, where)], [Dense(one, encoder, where) for one in both]):
                    assert_same(*(arm.retrieve(Query(text), depth=30) for arm in arms))
        hybrids = [Hybrid([BM25(one), Dense(one, encoder)]) for one in both]
        near, far = (hybrid.retrieve(Query("swept wing"), depth=10) for hybrid in hybrids)
        assert near.doc_ids[0] == far.doc_ids[0]
        assert far.trace.steps[0].facts["store"] == there.name
        assert there.get("d1").vector is not None


def test_an_interrupted_push_goes_on_where_it_was(remote: tuple[Server, Address], tmp_path: Path) -> None:
    server, address = remote
    folder = make(tmp_path / "i", 700)
    with Index.open(folder, read_only=True) as index:
        with pytest.raises(CutError):
            push(index, CutOffServer(server, after=2), address, retrying=PATIENTLY)
        assert server.behind(address.name) is None  # nobody sees half an index
        seen: list[int] = []
        pushed = push(index, server, address, retrying=PATIENTLY, watch=lambda done, total: seen.append(done))
        assert (pushed.resumed_at, pushed.documents, seen[0]) == (512, 700, 512)
        assert RemoteIndex(server, address.name).count() == 700
    assert list(folder.glob("push-*")) == []


def test_an_interrupted_push_begins_anew_when_the_index_was_made_anew(
    remote: tuple[Server, Address], tmp_path: Path
) -> None:
    server, address = remote
    folder, file = make(tmp_path / "i", 700), tmp_path / "checkpoint.json"
    with Index.open(folder, read_only=True) as index, pytest.raises(CutError):
        push(index, CutOffServer(server, after=2), address, retrying=PATIENTLY, checkpoint=file)
    shutil.rmtree(folder)
    with Index.create(folder, encoder=HashingEncoder()) as index:  # of as many documents and commits, and other texts
        index.upsert([replace(document, text="other") for document in documents(700)])
        index.upsert([Document(" ", "blank"), Document("other", "d1")])
        index.delete(["d2"])
    with Index.open(folder, read_only=True) as index:
        pushed = push(index, server, address, retrying=PATIENTLY, checkpoint=file)
    assert (pushed.resumed_at, pushed.documents) == (0, 700)
    assert RemoteIndex(server, address.name).get("d0").text == "other"


def test_a_second_push_takes_the_place_of_the_first_in_one_step(remote: tuple[Server, Address], tmp_path: Path) -> None:
    server, address = remote
    with Index.open(make(tmp_path / "i", 300), read_only=True) as index:
        first = push(index, server, address, retrying=PATIENTLY)
    with Index.open(tmp_path / "i", encoder=HashingEncoder()) as index:
        index.upsert([Document("new wing", "new")])
    failures: list[BaseException] = []
    done = threading.Event()

    def search() -> None:
        try:
            while not done.is_set():
                with suppress(IndexNotFoundError):  # opened by the old name a moment before it was dropped
                    assert len(RemoteIndex(server, address.name).search_text("only17", depth=5).hits) == 1
        except BaseException as error:
            failures.append(error)

    searching = threading.Thread(target=search)
    if address.engine == "milvus":  # the local Qdrant is not for several threads
        searching.start()
    with Index.open(tmp_path / "i", read_only=True) as index:
        second = push(index, server, address, retrying=PATIENTLY)
    done.set()
    if searching.ident:
        searching.join()
    assert failures == []
    assert (second.replaced, second.documents) == (first.collection, 301)
    assert not server.has(first.collection)
    assert [d.doc_id for d, _ in RemoteIndex(server, address.name).search_text("new", depth=3).hits] == ["new"]


def test_what_an_attempt_left_that_was_cut_off_between_two_collections_is_made_anew(
    remote: tuple[Server, Address],
) -> None:
    server, address = remote
    if address.engine != "milvus":
        pytest.skip("only Milvus keeps the statistics in a collection of their own")
    name, made = f"{address.name}_half", (layout_of(HashingEncoder()), Statistics.of([]), Spread())
    server.create(name, *made)
    pymilvus = pytest.importorskip("pymilvus")
    client = pymilvus.MilvusClient(uri=address.url)
    client.drop_collection(name)
    client.close()
    assert server.create(name, *made).count() == 0


def test_an_open_index_goes_on_with_what_was_pushed_in_its_place(
    remote: tuple[Server, Address], tmp_path: Path
) -> None:
    server, address = remote
    encoder = HashingEncoder()
    with Index.open(make(tmp_path / "i", 30), read_only=True) as index:
        push(index, server, address, retrying=PATIENTLY)
    there = RemoteIndex(server, address.name, encoder=encoder, retrying=PATIENTLY)
    assert there.count() == 30
    with Index.open(tmp_path / "i", encoder=encoder) as index:
        index.upsert([Document("new wing", "new")])
    with Index.open(tmp_path / "i", read_only=True) as index:
        push(index, server, address, retrying=PATIENTLY)
    assert [document.doc_id for document, _ in there.search_text("new", depth=3).hits] == ["new"]
    other = HashingEncoder(dimension=32)
    with Index.create(tmp_path / "other", encoder=other) as index:
        index.upsert([Document("new wing", "new")])
    with Index.open(tmp_path / "other", read_only=True) as index:
        push(index, server, address, retrying=PATIENTLY)
    with pytest.raises(IndexMismatchError, match="was made with the encoder 'hashing-32'"):
        there.search_text("new", depth=3)


def test_an_open_index_follows_its_name_when_what_was_before_is_kept(
    remote: tuple[Server, Address], tmp_path: Path
) -> None:
    server, address = remote
    with Index.open(make(tmp_path / "i", 30), read_only=True) as index:
        first = push(index, server, address, retrying=PATIENTLY)
    often, rarely = (RemoteIndex(server, address.name, retrying=PATIENTLY, look_again_s=s) for s in (0, 1e9))
    with Index.open(tmp_path / "i", encoder=HashingEncoder()) as index:
        index.upsert([Document("new wing", "new")])
    with Index.open(tmp_path / "i", read_only=True) as index:
        push(index, server, address, retrying=PATIENTLY, keep_old=True)
    assert (often.count(), rarely.count()) == (31, 30)
    rarely.delete(["new"])  # a writer looks first
    assert (often.count(), rarely.count()) == (30, 30)
    assert server.open(first.collection).count() == 30
    server.drop(first.collection)


class UndroppableServer:
    """A server that refuses to drop anything while `refuses`, and keeps what it was asked to drop."""

    def __init__(self, server: Server) -> None:
        self.server, self.refuses, self.dropped = server, True, list[str]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.server, name)

    def drop(self, name: str) -> None:
        if self.refuses:
            raise RemoteRequestError("no right to drop")
        self.dropped.append(name)
        self.server.drop(name)


def test_what_a_name_stands_for_is_never_dropped(remote: tuple[Server, Address], tmp_path: Path) -> None:
    server, address = remote
    stubborn = UndroppableServer(server)
    folder = make(tmp_path / "i", 20)
    with Index.open(folder, read_only=True) as index:
        push(index, server, address, retrying=PATIENTLY)
    for number in range(3):
        with Index.open(folder, encoder=HashingEncoder()) as index:
            index.upsert([Document("new wing", f"new{number}")])
        with Index.open(folder, read_only=True) as index, pytest.raises(RemoteRequestError, match="no right"):
            push(index, stubborn, address, retrying=PATIENTLY)
        assert RemoteIndex(server, address.name).count() == 21 + number
        assert list(folder.glob("push-*")) == []
    stubborn.refuses, in_use = False, server.behind(address.name)
    with Index.open(folder, read_only=True) as index:
        pushed = push(index, stubborn, address, retrying=PATIENTLY)
    assert stubborn.dropped == [in_use]
    assert RemoteIndex(server, address.name).count() == pushed.documents == 23


def test_what_must_not_be_overwritten_is_refused(remote: tuple[Server, Address], tmp_path: Path) -> None:
    server, address = remote
    with Index.open(make(tmp_path / "i", 20), read_only=True) as index:
        pushed = push(index, server, address, retrying=PATIENTLY)
        taken = Address(address.engine, address.url, pushed.collection)
        with pytest.raises(InputError, match="is a collection, not an alias"):
            push(index, server, taken, retrying=PATIENTLY)
    with pytest.raises(IndexMismatchError, match="hashing-64"):
        RemoteIndex(server, address.name, encoder=HashingEncoder(dimension=32))
    with pytest.raises(IndexNotFoundError, match="no collection 'absent'"):
        RemoteIndex(server, "absent")


class Lossy:
    """A server whose collections lose what they are given."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)

    def create(self, *arguments: Any) -> Any:
        made = self._server.create(*arguments)
        made.write = lambda points: type(made).write(made, points[1:])  # type: ignore[method-assign]
        return made


def test_documents_that_did_not_arrive_are_noticed(remote: tuple[Server, Address], tmp_path: Path) -> None:
    server, address = remote
    with Index.open(make(tmp_path / "i", 30), read_only=True) as index:
        with pytest.raises(StoreError, match="holds 29 documents, but 30 were sent"):
            push(index, Lossy(server), address, retrying=PATIENTLY)
        assert server.behind(address.name) is None
        assert push(index, server, address, retrying=PATIENTLY).documents == 30


def test_a_server_that_is_not_there_is_an_error_that_names_it() -> None:
    pytest.importorskip("qdrant_client")
    from shortlist.retrieval.remote import open_remote

    pauses: list[float] = []
    address = Address.parse("qdrant:http://127.0.0.1:9/docs")
    with pytest.raises(RemoteUnavailableError, match=r"qdrant:http://127.0.0.1:9 cannot be reached"):
        open_remote(address, environ={}, policy=Policy(retries=0))
    retrying = Retrying(Policy(retries=2, first_pause_ms=100), sleep=pauses.append, jitter=lambda: 1.0)

    def fail() -> None:
        raise RemoteUnavailableError("gone")

    with pytest.raises(RemoteUnavailableError, match=r"gone \(attempt 3\)"):
        retrying(fail)
    assert pauses == [0.1, 0.2]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of the half-made client's __del__
def test_a_folder_that_another_client_has_open_is_an_error_that_names_it(tmp_path: Path) -> None:
    with server_of("qdrant-local", tmp_path) as (_, address), pytest.raises(IndexLockedError, match="already accessed"):
        connect(address, environ={})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("docs", "looks like"),
        ("solr:http://x/y", "looks like"),
        ("qdrant:http://x:1/a-b", "letters, digits and _"),
        ("qdrant:localhost:6333/docs", "write qdrant:http://localhost:6333/docs"),
    ],
)
def test_a_bad_address_says_how_one_looks(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Address.parse(text)


def test_an_address_survives_being_a_path() -> None:
    address = Address.parse(str(Path("milvus:http://localhost:19530/docs")))
    assert str(address) == "milvus:http://localhost:19530/docs"
