from __future__ import annotations

from pathlib import Path

import pytest

from .running import run

pytest.importorskip("qdrant_client", reason="needs the extra qdrant")


@pytest.mark.filterwarnings("ignore")  # the local mode says that it is none for large collections
def test_a_pushed_index_is_searched_by_its_address(indexed: Path, tmp_path: Path) -> None:
    folder, address = indexed / ".shortlist", f"qdrant:{tmp_path}/far/docs"
    pushed = run("index", "push", folder, address, "--json")
    assert (pushed.code, pushed.err) == (0, "0 of 5 documents\n5 of 5 documents\n")
    assert pushed.json() == {
        "address": address,
        "collection": pushed.json()["collection"],
        "documents": 5,
        "resumed_at": 0,
        "replaced": "",
    }
    near, far = (run("search", "how tall is the tower?", where, "--json") for where in (folder, address))
    assert (far.code, far.err) == (0, "")
    assert far.texts() == near.texts()
    assert far.json()["trace"][0]["facts"]["store"] == address
    again = run("index", "push", folder, address)
    assert again.out.startswith(f"{address}: 5 documents in docs_")
    assert "in place of docs_" in again.out


def test_an_address_that_is_none_shows_one(indexed: Path) -> None:
    outcome = run("index", "push", indexed / ".shortlist", "solr:http://localhost/docs")
    assert outcome.code == 2
    assert "qdrant:http://localhost:6333/docs" in outcome.err


@pytest.mark.filterwarnings("ignore")
def test_the_server_searches_and_writes_an_index_elsewhere(indexed: Path, tmp_path: Path) -> None:
    pytest.importorskip("starlette", reason="needs the extra server")
    from shortlist.server.searching import Desk
    from shortlist.settings import Settings
    from shortlist.types import Document, Query

    address = f"qdrant:{tmp_path}/far/docs"
    assert run("index", "push", indexed / ".shortlist", address).code == 0
    desk = Desk.open(Path(address), Settings(engine="onnxruntime"), is_writable=True)
    try:
        assert (desk.count(), desk.is_writable) == (5, True)
        desk.add([Document("Bees dance to say where flowers are.", "bees")])
        assert desk.retrieve(Query("why do bees dance?"), depth=3).doc_ids[0] == "bees"
        desk.remove(["bees"])
        assert desk.count() == 5
    finally:
        desk.close()
