"""A real index and the packaged models over HTTP: search it, add to it, remove from it, exchange the model under it."""

from __future__ import annotations

import json
import logging
import shutil
import socket
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from server.running import Running, running, state_with, waited_for
from shortlist import index_paths
from shortlist.build.search import open_pipeline
from shortlist.errors import InputError
from shortlist.retrieval import Index
from shortlist.retrieval.store import Found
from shortlist.server.run import Again, state_of
from shortlist.server.searching import MOST_SEARCHES, MOST_WRITES, SEARCHES_AT_ONCE, Desk
from shortlist.server.settings import ServeSettings
from shortlist.settings import Settings
from shortlist.types import Document, Query

QUERY = "How do I sort by two keys at once?"


@pytest.fixture(scope="module")
def server(index: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    own = shutil.copytree(index, tmp_path_factory.mktemp("served") / "index")
    with running_from(ServeSettings(index=str(own), writable_index=True)) as started:
        yield started


def running_from(serve: ServeSettings) -> AbstractContextManager[Running]:
    return running(state_of(Settings(), serve))


def search(server: Running, **more: Any) -> Any:
    answer = server.ask("/v1/search", {"query": QUERY, **more})
    assert answer.status == 200, answer.content
    return answer.json


def test_a_search_gives_the_best_passages_with_their_places(server: Running) -> None:
    found = search(server, top_k=3)
    assert len(found["results"]) == 3
    best = found["results"][0]
    assert best["place"]["path"].endswith("sorting.rst")
    assert best["place"]["first_line"] < best["place"]["last_line"]
    assert {"bm25", "dense"} & set(best["before"]) or best["before"]
    assert found["score_kind"] == "weighted sum"
    assert [step["stage"] for step in found["trace"]]
    assert found["model"] == "shortlist-l6"


@pytest.mark.parametrize("first_stage", ["hybrid", "weighted", "bm25", "dense"])
def test_every_first_stage_can_be_asked_for_alone(server: Running, first_stage: str) -> None:
    found = search(server, first_stage=first_stage, rerank=False, top_k=4)
    assert len(found["results"]) == 4
    assert found["model"] == ""
    assert any(result["place"]["path"].endswith("sorting.rst") for result in found["results"])


def test_reranking_is_what_the_library_gives(server: Running) -> None:
    candidates = search(server, rerank=False, top_k=8, depth=8)["results"]
    documents = [{"id": r["id"], "text": r["document"]["text"], "title": r["document"]["title"]} for r in candidates]
    body = {"query": QUERY, "documents": documents}
    own = server.ask("/shortlist/v1/rerank", body).json["results"]
    found = search(server, top_k=8, depth=8)["results"]
    assert [one["id"] for one in found] == [one["id"] for one in own]
    # stored token ids and vectors, or the text: to what one precision and the other keep of it
    assert [one["score"] for one in found] == pytest.approx([one["score"] for one in own], abs=0.1)


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"first_stage": "magic"}, "first_stage"),
        ({"depth": 100_000}, "$.depth"),
        ({"top_k": 0}, "$.top_k"),
        ({"first_stage_weight": 1.5}, "$.first_stage_weight: expected a number within 0..1, got 1.5"),
        ({"diversity": 1.5}, "$.diversity: expected a number within 0..1, got 1.5"),
        ({"where": {"team": {"$near": 1}}}, "$near"),
        ({"surprise": 1}, "$.surprise"),
    ],
)
def test_a_bad_search_names_what_is_wrong(server: Running, more: dict[str, Any], path: str) -> None:
    answer = server.ask("/v1/search", {"query": QUERY, **more})
    assert answer.status == 400
    assert path in answer.json["error"]["message"]


def test_documents_are_added_found_filtered_and_removed(server: Running) -> None:
    before = server.ask("/v1/index").json
    assert 'shortlist_requests_total{dialect="shortlist",status="200"}' in server.ask("/metrics").content.decode()
    assert before["writable"]
    documents: list[dict[str, Any]] = [
        {"id": "note", "text": "The quarterly report is due on Friday.", "title": "Note", "metadata": {"team": "red"}},
        {"id": 7, "text": "The quarterly menu has lentils on Friday.", "metadata": {"team": "blue"}},
    ]
    added = server.ask("/v1/index", {"documents": documents}).json
    assert added == {"added": 2, "documents": before["documents"] + 2}
    found = server.ask("/v1/search", {"query": "When is the quarterly report due?", "top_k": 1}).json["results"][0]
    assert (found["id"], found["metadata"], found["document"]["title"]) == ("note", {"team": "red"}, "Note")
    blue = {"query": "quarterly report", "where": {"team": "blue"}}
    assert [one["id"] for one in server.ask("/v1/search", blue).json["results"]] == ["7"]
    replaced = server.ask("/v1/index", {"documents": [{**documents[0], "text": "The report is late."}]}).json
    assert replaced == {"added": 1, "documents": before["documents"] + 2}
    removed = server.ask("/v1/index", {"ids": ["note", 7, "never there"]}, method="DELETE").json
    assert removed == {"documents": before["documents"]}


@pytest.mark.parametrize("document", [{"text": "no id"}, {"id": 5.5, "text": "x"}, {"id": "a"}, "plain"])
def test_a_document_without_an_id_or_a_text_is_refused_with_its_path(server: Running, document: Any) -> None:
    answer = server.ask("/v1/index", {"documents": [document]})
    assert answer.status == 400
    assert "$.documents[0]" in answer.json["error"]["message"]


def test_a_share_of_the_first_stage_is_kept_as_the_library_keeps_it(server: Running) -> None:
    first = [one["id"] for one in search(server, rerank=False, top_k=8, depth=8)["results"]]
    alone = search(server, top_k=8, depth=8)
    assert [one["id"] for one in alone["results"]] != first
    kept = search(server, top_k=8, depth=8, first_stage_weight=1)
    assert [one["id"] for one in kept["results"]] == first
    assert kept["trace"][-1]["facts"] == {"weight": "1"}
    mixed = search(server, top_k=3, depth=8, first_stage_weight=0.35)
    settings = Settings(first_stage_weight=0.35)
    with open_pipeline(str(server.state.settings.index), settings=settings) as pipeline:
        own = pipeline.search(Query(QUERY), top_k=3, depth=8)
    assert [one["id"] for one in mixed["results"]] == list(own.doc_ids)
    assert [one["score"] for one in mixed["results"]] == pytest.approx([one.score for one in own], abs=0.02)


def test_a_weight_of_the_settings_holds_unless_a_request_says_otherwise(server: Running) -> None:
    serve = ServeSettings(models=("lexical:lexical",), index=server.state.settings.index)
    with running(state_of(Settings(first_stage_weight=0.25), serve)) as started:
        assert search(started)["trace"][-1]["facts"] == {"weight": "0.25"}
        assert search(started, first_stage_weight=0)["trace"][-1]["stage"] != "with first stage"
        late = search(started, query="Which words are compared first?", budget_ms=0.01)
        assert late["partial"]
        assert any("not added to the first stage's scores" in note for note in late["degradations"])
    with pytest.raises(InputError, match=r"within 0\.\.1, got 3"):
        state_of(Settings(first_stage_weight=3), serve)


def test_a_budget_is_kept_by_search(server: Running) -> None:
    found = search(server, query="Which words are compared first?", budget_ms=0.01, top_k=3)
    assert len(found["results"]) == 3
    assert found["partial"]
    assert found["degradations"]


def test_the_model_is_exchanged_and_the_index_is_still_searched(server: Running) -> None:
    before = [one["id"] for one in search(server)["results"]]
    old = server.state.pool.loaded("shortlist-l6")
    server.call(lambda: server.state.pool.reload("shortlist-l6"))
    assert server.state.pool.loaded("shortlist-l6") is not old
    assert [one["id"] for one in search(server)["results"]] == before


def test_what_is_written_is_there_for_the_next_server_and_a_read_only_one_refuses_changes(tmp_path: Path) -> None:
    serve = ServeSettings(models=("lexical:lexical",), index=str(tmp_path / "index"), writable_index=True)
    documents = [{"id": "a", "text": "iron tower"}, {"id": "b", "text": "wooden bridge"}]
    with running_from(serve) as first:
        assert first.ask("/v1/index").json["documents"] == 0
        assert first.ask("/v1/search", {"query": "tower"}).json["results"] == []
        assert first.ask("/v1/index", {"documents": documents}).status == 200
    with running_from(ServeSettings(models=("lexical:lexical",), index=str(tmp_path / "index"))) as second:
        found = second.ask("/v1/search", {"query": "tower", "rerank": False, "top_k": 1}).json["results"]
        assert [one["id"] for one in found] == ["a"]
        for method, body in (("POST", {"documents": documents}), ("DELETE", {"ids": ["a"]})):
            answer = second.ask("/v1/index", body, method=method)
            assert answer.status == 404
            assert "--writable-index" in answer.json["error"]["message"]
        assert json.loads(second.ask("/v1/index").content)["documents"] == 2


def test_the_limits_of_our_own_format_hold_for_the_index(server: Running) -> None:
    limits = {"shortlist": {"max_documents": 5, "max_tokens": 40}}
    with running_from(ServeSettings(index=server.state.settings.index, limits=limits)) as other:
        asked = {"query": QUERY, "top_k": 2}
        assert other.ask("/v1/search", {**asked, "depth": 6}).status == 400
        assert other.ask("/v1/search", {**asked, "depth": 5}).status == 413
        assert other.ask("/v1/search", {**asked, "depth": 5, "rerank": False}).status == 200


def test_a_search_that_names_neither_takes_the_settings_as_far_as_the_limits_allow(server: Running) -> None:
    index, chosen = server.state.settings.index, Settings(top_k=2, depth=7)
    for serve, depth in ((ServeSettings(index=index), 7), (ServeSettings(index=index, max_documents=3), 3)):
        with running(state_of(chosen, serve)) as other:
            found = search(other, rerank=False)
            assert len(found["results"]) == 2
            assert found["trace"][-1]["counts"]["depth"] == depth


@pytest.mark.parametrize("doc_id", ["", None, 5.5])
def test_what_is_added_needs_an_id(server: Running, doc_id: Any) -> None:
    answer = server.ask("/v1/index", {"documents": [{"id": "a", "text": "x"}, {"id": doc_id, "text": "y"}]})
    assert answer.status == 400
    assert "$.documents[1].id" in answer.json["error"]["message"]


def test_titles_count_among_the_characters_of_what_is_added(tmp_path: Path) -> None:
    limits = ServeSettings(
        models=("lexical:lexical",), index=str(tmp_path / "index"), writable_index=True, max_characters=100
    )
    documents = [{"id": str(i), "text": "iron", "title": "t" * 30} for i in range(3)]
    with running_from(limits) as server:
        assert server.ask("/v1/index", {"documents": documents}).status == 413
        assert server.ask("/v1/index", {"documents": documents[:2]}).status == 200


def test_a_method_that_the_index_has_not_is_told_those_that_it_has(server: Running) -> None:
    answer = server.ask("/v1/index", {}, method="PUT")
    assert answer.status == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "POST", "DELETE"}


def test_diversity_is_what_the_library_gives_by_request_and_by_setting(server: Running) -> None:
    plain = search(server, top_k=3, depth=8)
    found = search(server, top_k=3, depth=8, diversity=0.9)
    with open_pipeline(str(server.state.settings.index), settings=Settings(diversity=0.9)) as pipeline:
        own = pipeline.search(Query(QUERY), top_k=3, depth=8)
    assert [one["id"] for one in found["results"]] == list(own.doc_ids)
    assert [one["id"] for one in found["results"]] != [one["id"] for one in plain["results"]]
    assert found["trace"][-1]["facts"] == {"diversity": "0.9"}
    serve = ServeSettings(models=("lexical:lexical",), index=server.state.settings.index)
    with running(state_of(Settings(diversity=0.5), serve)) as started:
        assert search(started)["trace"][-1]["stage"] == "diversity"
        assert search(started, rerank=False)["trace"][-1]["stage"] == "diversity"
        assert search(started, diversity=0)["trace"][-1]["stage"] != "diversity"
        late = search(started, query="Which words are compared first?", budget_ms=0.01)
        assert "diversity: not applied: no document was scored" in late["degradations"]
    with pytest.raises(InputError, match=r"diversity must be a number within 0\.\.1, got 3"):
        state_of(Settings(diversity=3), serve)


def test_a_writable_index_is_optimized_when_a_server_starts_with_much_that_is_new(tmp_path: Path) -> None:
    serve = ServeSettings(models=("lexical:words",), index=str(tmp_path / "index"), writable_index=True)
    with running_from(serve) as first:
        documents = [{"id": str(n), "text": f"text {n}"} for n in range(20)]
        assert first.ask("/v1/index", {"documents": documents}).json["documents"] == 20
    with Index.open(tmp_path / "index", read_only=True) as index:
        assert index.needs_optimizing
    state = state_of(Settings(), serve)
    assert state.desk is not None
    state.desk.optimize()
    with running(state) as second:
        assert second.ask("/v1/index", {"documents": [{"id": "x", "text": "one more"}]}).json["documents"] == 21
    with Index.open(tmp_path / "index", read_only=True) as index:
        assert (index.unoptimized, index.needs_optimizing) == (1, False)


class Slow:
    """An index, and a bi-encoder, whose writes wait for `gate`."""

    fingerprint = "slow"

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.written: list[str] = []
        self.began: list[str] = []

    def upsert(self, documents: Sequence[Document]) -> None:
        assert self.gate.wait(20)
        self.written += [document.doc_id for document in documents]

    def search_text(self, text: str, *, depth: int, where: object) -> Found:
        self.began.append(text)
        assert self.gate.wait(20)
        return Found(())

    def count(self) -> int:
        return len(self.written)

    def close(self) -> None: ...


def test_writes_wait_for_one_another_and_nobody_else_for_them() -> None:
    slow: Any = Slow()
    with (
        running(state_with(desk=Desk(slow, slow, Settings(), is_writable=True))) as server,
        ThreadPoolExecutor(MOST_WRITES + 2) as clients,
    ):
        bodies = [{"documents": [{"id": str(place), "text": "x"}]} for place in range(MOST_WRITES + 2)]
        writes = [clients.submit(server.ask, "/v1/index", body) for body in bodies]
        waited_for(lambda: any(write.done() for write in writes))
        assert server.ask("/v1/index").json["documents"] == 0
        slow.gate.set()
        assert sorted(write.result().status for write in writes) == [200] * (MOST_WRITES + 1) + [429]
        assert len(slow.written) == MOST_WRITES + 1


@pytest.fixture
def slow_server() -> Iterator[tuple[Running, Slow]]:
    slow: Any = Slow()
    with running(state_with(desk=Desk(slow, slow, Settings(), is_writable=True))) as server:
        try:
            yield server, slow
        finally:
            slow.gate.set()


def leave(server: Running, body: Any) -> None:
    """Send a search, and close the connection at once."""
    content = json.dumps(body).encode()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        head = b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(content)
        connection.sendall(head + content)


def test_searches_of_clients_that_left_are_not_made(slow_server: tuple[Running, Slow]) -> None:
    server, slow = slow_server
    with ThreadPoolExecutor(1 + SEARCHES_AT_ONCE) as clients:
        first = {"query": "first", "first_stage": "bm25"}
        waiting = [clients.submit(server.ask, "/v1/search", first) for _ in range(SEARCHES_AT_ONCE)]
        waited_for(lambda: len(slow.began) == SEARCHES_AT_ONCE)
        for _ in range(3):
            leave(server, {"query": "left", "first_stage": "bm25"})
        waited_for(lambda: b'status="499"} 3.0' in server.ask("/metrics").content)
        last = clients.submit(server.ask, "/v1/search", {"query": "last", "first_stage": "bm25"})
        slow.gate.set()
        assert [one.result().status for one in (*waiting, last)] == [200] * (1 + SEARCHES_AT_ONCE)
    assert slow.began == ["first"] * SEARCHES_AT_ONCE + ["last"]


def test_more_searches_than_may_wait_are_refused_and_so_is_one_whose_budget_others_took(
    slow_server: tuple[Running, Slow],
) -> None:
    server, slow = slow_server
    most = SEARCHES_AT_ONCE + MOST_SEARCHES
    with ThreadPoolExecutor(most + 1) as clients:
        body = {"query": "x", "first_stage": "bm25"}
        searches = [clients.submit(server.ask, "/v1/search", body) for _ in range(SEARCHES_AT_ONCE)]
        waited_for(lambda: len(slow.began) == SEARCHES_AT_ONCE)
        late = server.ask("/v1/search", body | {"budget_ms": 20})
        assert (late.status, late.json["error"]["kind"]) == (429, "overloaded")
        assert "retry-after" in late.headers
        searches += [clients.submit(server.ask, "/v1/search", body) for _ in range(MOST_SEARCHES + 1)]
        waited_for(lambda: any(one.done() for one in searches))
        assert server.ask("/v1/rerank", {"query": "x", "documents": ["a " * 60_000]}).status == 200
        slow.gate.set()
        assert sorted(one.result().status for one in searches) == [200] * most + [429]


def test_a_copy_of_the_index_is_opened_again_while_it_is_searched(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a.txt").write_text("An iron tower.")
    index_paths([folder], tmp_path / "index")
    desk = Desk.open(tmp_path / "index", Settings(), is_writable=False)
    with ThreadPoolExecutor(2) as threads:
        ends = threading.Event()

        def search_on() -> int:
            count = 0
            while not ends.is_set() or not count:
                assert desk.retrieve(Query("tower"), depth=3)[0].doc_id
                count += 1
            return count

        searching = [threads.submit(search_on) for _ in range(2)]
        for count in (2, 3):
            (folder / f"{count}.txt").write_text(f"A wooden tower of {count} floors.")
            index_paths([folder], tmp_path / "index")
            assert desk.count() == count - 1
            desk.reopen()
            assert desk.count() == count
        ends.set()
        assert all(one.result() for one in searching)
    assert len(desk.retrieve(Query("tower"), depth=5)) == 3
    desk.close()


def test_to_read_again_opens_the_index_again_and_keeps_the_old_one_when_that_fails(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.txt").write_text("An iron tower.")
    index_paths([tmp_path / "a.txt"], tmp_path / "index")
    serve = ServeSettings(models=("lexical:lexical",), index=str(tmp_path / "index"))
    with running_from(serve) as server, caplog.at_level(logging.INFO, "shortlist.server"):
        (tmp_path / "b.txt").write_text("A wooden tower.")
        index_paths([tmp_path / "b.txt"], tmp_path / "index")
        assert server.ask("/v1/index").json["documents"] == 1
        again = Again(server.state)
        server.loop.call_soon_threadsafe(again)
        waited_for(lambda: server.ask("/v1/index").json["documents"] == 2)
        (tmp_path / "index").rename(tmp_path / "elsewhere")
        server.loop.call_soon_threadsafe(again)
        waited_for(lambda: "not loaded again; the old one stays" in caplog.text)
        assert server.ask("/v1/index").json["documents"] == 2
