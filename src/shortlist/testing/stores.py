"""What every store of documents must keep, in a folder or on an engine elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shortlist.errors import InputError
from shortlist.protocols import Encoder, Role
from shortlist.retrieval import BM25, Dense, Hybrid
from shortlist.retrieval.store import Store
from shortlist.types import Document, Place, Query

ODD_IDS = ("a b", "ü/ß", "😀", "'; DROP TABLE documents; --", "nul\0nul", "\udcff lone", "%_", "x" * 5000)
METADATA: tuple[Mapping[str, Any], ...] = (
    {"lang": "en", "year": 2019, "tags": ["a", "b"], "ok": True},
    {"lang": "de", "year": 2020.5, "tags": ["b"], "author": {"name": "Ada"}},
    {"lang": "en", "year": [1999, 2021], "ok": False, 'we"ird. ключ': "ü", "none": None},
    {},
    {"year": "2019", "price": "-1.50", "zip": "01999"},
)
FILTERS: tuple[tuple[Mapping[str, Any] | None, str], ...] = (
    ({"lang": "en"}, "02"),
    ({"lang": ["en", "de"]}, "012"),
    ({"lang": "en", "ok": True}, "0"),
    ({"ok": False}, "2"),
    ({"tags": "b"}, "01"),
    ({"year": {"gte": 2019, "lt": 2021}}, "014"),
    ({"year": {"gt": 2019}}, "12"),
    ({"year": {"lte": 2019}}, "024"),
    ({"year": {"gt": 1999, "lt": 2019}}, ""),
    ({"year": 2019.0}, "04"),
    ({"year": "2019"}, "4"),
    ({"price": -1.5}, "4"),
    ({"price": "-1.50"}, "4"),
    ({"zip": 1999}, ""),
    ({"zip": {"gt": 0}}, ""),
    ({"ok": 1}, ""),
    ({"author.name": "Ada"}, "1"),
    ({'we"ird. ключ': "ü"}, "2"),
    ({"none": None}, "2"),
    ({"absent": "x"}, ""),
    ({}, "01234"),
    (None, "01234"),
)
_KNOWN = {"d", "0", "1", "2", "3", "4", "other", "blank", "space", *(f"t{i}" for i in range(300)), *ODD_IDS}


def check_store(store: Store, encoder: Encoder) -> None:
    """Check an empty store that holds the vectors of `encoder`; it is empty again afterwards."""
    assert isinstance(store, Store), f"{type(store).__name__} lacks a method of a store"
    for check in (_nothing, _round_trip, _replacing, _odd_ids, _ties, _blank, _filters, _queries, _spellings):
        check(store, encoder)
        store.delete(sorted(_KNOWN))
        assert store.count() == 0, f"{check.__name__} left {store.count()} documents"


def _has(store: Store, doc_id: str) -> bool:
    try:
        store.get(doc_id)
    except InputError:
        return False
    return True


def _words(store: Store, text: str, depth: int = 400) -> list[str]:
    return [document.doc_id for document, _ in store.search_text(text, depth=depth).hits]


def _nothing(store: Store, encoder: Encoder) -> None:
    for retriever in (BM25(store), Dense(store, encoder), Hybrid([BM25(store), Dense(store, encoder)])):
        assert len(retriever.retrieve(Query("x"), depth=5)) == 0, "an empty store found something"
    assert not _has(store, "d"), "an empty store has a document"
    store.delete(["d"])
    store.upsert([])


def _round_trip(store: Store, encoder: Encoder) -> None:
    document = Document("some body", "d", "A Title", {"n": [1, {"x": None}], "t": "ü"}, Place("a/b.md", 3, 9, "Head"))
    store.upsert([document])
    assert store.get("d") == document, "a document came back changed"
    ((found, _),) = store.search_text("title", depth=5).hits
    assert found == document, "a found document is not the one that was stored"
    ((found, score),) = store.search_vector(encoder.encode([document.full_text], role=Role.DOCUMENT)[0], depth=5).hits
    assert abs(score - 1) < 1e-3, f"the cosine of a text with itself is {score}"
    assert found.vector is not None, "a found document has no vector"
    assert found.vector.encoder == encoder.fingerprint, "a found document's vector is of another encoder"
    broken = Document("broken \udcff bytes \0 ending", "2", "\ud800 title")
    store.upsert([broken])
    assert store.get("2") == broken, "a text that is no Unicode came back changed"
    assert _words(store, "bytes") == _words(store, "ending") == ["2"], "a text with a NUL is not found to its end"


def _replacing(store: Store, encoder: Encoder) -> None:
    store.upsert([Document("apple", "1"), Document("banana", "2"), Document("cherry", "1")])
    assert (_words(store, "apple"), _words(store, "cherry"), store.count()) == ([], ["1"], 2), "the later did not win"
    store.upsert([Document("damson", "1")])
    assert (_words(store, "cherry"), _words(store, "damson"), store.count()) == ([], ["1"], 2), "nothing was replaced"
    store.upsert([Document(f"word{i} shared", str(i)) for i in range(4)])
    store.delete(["1", "3", "unknown"])
    assert (store.count(), set(_words(store, "shared"))) == (2, {"0", "2"}), "what was deleted is found"
    dense = Dense(store, encoder).retrieve(Query("word1"), depth=9)
    assert set(dense.doc_ids) == {"0", "2"}, "what was deleted is found by its vector"


def _odd_ids(store: Store, encoder: Encoder) -> None:
    store.upsert([Document("same text", doc_id, metadata={doc_id: doc_id}) for doc_id in ODD_IDS])
    for doc_id in ODD_IDS:
        got = store.get(doc_id)
        assert (got.doc_id, got.metadata) == (doc_id, {doc_id: doc_id}), f"the id {doc_id!r:.20} came back changed"
    assert _words(store, "text") == list(ODD_IDS), "equal documents are not in the order in which they came"
    store.delete(ODD_IDS)
    assert store.count() == 0, "a document with an odd id was not deleted"


def _ties(store: Store, encoder: Encoder) -> None:
    store.upsert([Document("twin words", f"t{i}") for i in range(300)])
    for retriever in (BM25(store), Dense(store, encoder)):
        orders = {retriever.retrieve(Query("twin"), depth=7).doc_ids for _ in range(3)}
        assert orders == {tuple(f"t{i}" for i in range(7))}, f"ties have no one order: {orders}"
    assert len(_words(store, "twin", depth=299)) == 299, "fewer than depth were found"


def _blank(store: Store, encoder: Encoder) -> None:
    store.upsert([Document("", "blank"), Document(" \n", "space"), Document("of the", "other"), Document("one", "1")])
    assert store.count() == 4, "a blank document is not counted"
    assert _words(store, "one of the") == ["1"], "a document without words is found by words"
    dense = Dense(store, encoder).retrieve(Query("one"), depth=9)
    assert set(dense.doc_ids) == {"1", "other"}, "a blank document is found by a vector"
    assert store.get("space").text == " \n", "a blank document came back changed"


def _filters(store: Store, encoder: Encoder) -> None:
    store.upsert([Document("same words", str(i), metadata=metadata) for i, metadata in enumerate(METADATA)])
    for where, expected in FILTERS:
        for retriever in (BM25(store, where), Dense(store, encoder, where)):
            found = "".join(sorted(retriever.retrieve(Query("words"), depth=10).doc_ids))
            assert found == expected, f"the filter {where} found {found!r} instead of {expected!r}"
        assert store.count(where) == len(expected), f"the filter {where} counts {store.count(where)}"
    store.upsert([Document("same words", "0", metadata={"lang": "fr"})])
    assert (store.count({"lang": "en"}), store.count({"lang": "fr"})) == (1, 1), "a filter sees what was replaced"


def _spellings(store: Store, encoder: Encoder) -> None:
    spelt = ["cr\u00e8me", "cre\u0300me", "inter\u00adnational", "international"]
    store.upsert([Document(word, str(i)) for i, word in enumerate(spelt)])
    for query, expected in {"creme": "01", spelt[0]: "01", spelt[1]: "01", spelt[2]: "23", spelt[3]: "23"}.items():
        assert "".join(_words(store, query)) == expected, f"{query!r} does not find a word in each of its spellings"
    assert [store.get(str(i)).text for i in range(4)] == spelt, "a stored text was spelt otherwise"


def _queries(store: Store, encoder: Encoder) -> None:
    texts = ["the heat exchanger of a reactor", "lift and drag of a swept wing", "boundary layer of a swept wing"]
    store.upsert([Document(text, str(i)) for i, text in enumerate(texts)])
    assert _words(store, "swept wings boundary") == ["2", "1"], "BM25 does not stem, or orders otherwise"
    for text in ('"', "AND OR NOT", "*", "a:b", "(", "\\", "😀", "\0", "title:* OR 1=1 --", "the of", "' OR ''='"):
        assert _words(store, text) == [], f"{text!r} was read as a query language"
    assert set(_words(store, "\ud800 wing")) == {"1", "2"}, "a lone surrogate breaks a query"
    assert _words(store, " ".join(f"word{i}" for i in range(10_000)) + " reactor") == ["0"], "a long query breaks"
    hybrid = Hybrid([BM25(store), Dense(store, encoder)]).retrieve(Query("wing"), depth=2)
    assert hybrid.doc_ids == Hybrid([BM25(store), Dense(store, encoder)]).retrieve(Query("wing"), depth=3).doc_ids[:2]
