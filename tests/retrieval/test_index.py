from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from shortlist.errors import IndexMismatchError, IndexNotFoundError, InputError, ScoreError, StoreError
from shortlist.protocols import Role, Vectors
from shortlist.retrieval import BM25, Dense, Index, Source
from shortlist.types import Document, Place, Query, TokenIds

from .material import HashingEncoder

ODD_IDS = ["a b", "ü/ß", "😀", "'; DROP TABLE documents; --", "nul\0nul", "\udcff lone", "%_", "x" * 5000]


def found(index: Index, text: str) -> set[str]:
    return set(BM25(index).retrieve(Query(text), depth=100).doc_ids)


def tokens_of_words(texts: Sequence[str]) -> list[TokenIds]:
    return [TokenIds("words", np.array([len(word) for word in text.split()], dtype=np.int32)) for text in texts]


def test_everything_about_a_document_comes_back_after_reopening(tmp_path: Path, encoder: HashingEncoder) -> None:
    document = Document(
        "some body", "d", "A Title", {"n": [1, {"x": None}], "t": "ü"}, Place("a/b.md", 3, 9, "Head"),
    )  # fmt: skip
    with Index.create(tmp_path / "i", encoder=encoder, tokenize=tokens_of_words) as index:
        index.upsert([document], source="a/b.md")
    with Index.open(tmp_path / "i", encoder=encoder) as index:
        assert index.recovery == ""
        got = index.get("d")
        assert got == document
        assert got.tokens is not None
        assert got.tokens.tokenizer == "words"
        assert got.tokens.ids.tolist() == [1, 5, 4, 4]
        assert got.tokens.ids.dtype == np.int32
        (item,) = BM25(index).retrieve(Query("title"), depth=5)
        assert item.document == document
        assert "d" in index
        assert "e" not in index


def test_a_later_document_of_the_same_id_wins(index: Index) -> None:
    index.upsert([Document("apple", "1"), Document("banana", "2"), Document("cherry", "1")])
    assert (found(index, "apple"), found(index, "cherry"), index.count()) == (set(), {"1"}, 2)
    index.upsert([Document("damson", "1")])
    assert (found(index, "cherry"), found(index, "damson"), index.count()) == (set(), {"1"}, 2)
    assert index.get("1").text == "damson"


@pytest.mark.parametrize("doc_id", [5, None, True, b"x"])
def test_an_id_that_is_no_string_is_refused(module_index: Index, doc_id: object) -> None:
    message = rf"a document's id must be a string, not {type(doc_id).__name__}"
    with pytest.raises(InputError, match=message):
        module_index.get(doc_id)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=message):
        module_index.delete(["fine", doc_id])  # type: ignore[list-item]
    assert doc_id not in module_index


@pytest.mark.parametrize("doc_id", ODD_IDS)
def test_ids_may_be_any_text(module_index: Index, doc_id: str) -> None:
    index = module_index
    index.upsert([Document("same text", doc_id, metadata={doc_id: doc_id}), Document("same text", "other")])
    assert index.get(doc_id).doc_id == doc_id
    assert index.get(doc_id).metadata == {doc_id: doc_id}
    assert found(index, "text") == {doc_id, "other"}
    index.delete([doc_id])
    assert found(index, "text") == {"other"}


def test_text_with_lone_surrogates_and_nul_is_kept_and_found(index: Index) -> None:
    text = "broken \udcff bytes \0 ending"
    index.upsert([Document(text, "x", "\ud800 title")])
    assert index.get("x").text == text
    assert found(index, "bytes") == found(index, "ending") == {"x"}


def test_duplicate_texts_stay_distinct_and_ties_have_one_order(index: Index) -> None:
    index.upsert([Document("twin words", f"d{i}") for i in range(300)])
    for retriever in (BM25(index), Dense(index, HashingEncoder())):
        orders = {retriever.retrieve(Query("twin"), depth=7).doc_ids for _ in range(5)}
        assert orders == {tuple(f"d{i}" for i in range(7))}


def test_deleting_removes_from_every_search(index: Index, encoder: HashingEncoder) -> None:
    index.upsert([Document(f"word{i} shared", str(i)) for i in range(5)])
    index.delete(["1", "3", "unknown"])
    assert index.count() == 3
    assert found(index, "shared") == {"0", "2", "4"}
    assert set(Dense(index, encoder).retrieve(Query("word1"), depth=9).doc_ids) == {"0", "2", "4"}
    with pytest.raises(InputError, match="has no document '1'"):
        index.get("1")


def test_a_large_source_grows_part_by_part(index: Index) -> None:
    index.replace_source(Source("big.jsonl", 9, 9, "ab", "cut 180", 1), [Document("first part", "0")])
    index.extend_source(Source("big.jsonl", 9, 9, "ab", "cut 180", 2), [Document("second part", "1")])
    assert index.sources()["big.jsonl"] == Source("big.jsonl", 9, 9, "ab", "cut 180", 2, passages=2)
    index.extend_source(Source("big.jsonl", 9, 10, "ab", "cut 180", 0), ())
    assert index.sources()["big.jsonl"] == Source("big.jsonl", 9, 10, "ab", "cut 180", 0, passages=2)


def test_a_source_is_replaced_in_one_go(index: Index) -> None:
    index.upsert([Document("kept elsewhere", "k")], source="other")
    index.replace_source(Source("f.md", 10, 20, "ab"), [Document("old one", "f#0"), Document("old two", "f#1")])
    assert index.sources() == {"f.md": Source("f.md", 10, 20, "ab", passages=2)}
    index.replace_source(Source("f.md", 11, 21, "cd"), [Document("new one", "f#0")])
    assert index.sources() == {"f.md": Source("f.md", 11, 21, "cd", passages=1)}
    assert (found(index, "old"), found(index, "new"), found(index, "kept")) == (set(), {"f#0"}, {"k"})
    index.delete_source("f.md")
    assert (index.sources(), index.count()) == ({}, 1)


def test_a_source_that_is_read_in_parts_grows_with_its_record(index: Index) -> None:
    index.replace_source(Source("f", 9, 9, "ab", "lines", parts=1), [Document("first", "f#0")])
    index.extend_source(Source("f", 9, 9, "ab", "lines", parts=2), [Document("second", "f#1")])
    assert index.sources() == {"f": Source("f", 9, 9, "ab", "lines", parts=2, passages=2)}
    assert found(index, "first second") == {"f#0", "f#1"}


def test_a_document_that_moves_to_another_source_counts_there(index: Index) -> None:
    index.replace_source(Source("a"), [Document("x", "1")])
    index.replace_source(Source("b"), [Document("x", "1")])
    assert {path: source.passages for path, source in index.sources().items()} == {"a": 0, "b": 1}


def test_blank_documents_are_kept_but_no_search_finds_them(index: Index, encoder: HashingEncoder) -> None:
    index.upsert([Document("", "e"), Document(" \n\t", "w"), Document("words", "d")])
    assert index.count() == 3
    assert index.get("w").text == " \n\t"
    assert Dense(index, encoder).retrieve(Query("anything"), depth=9).doc_ids == ("d",)
    assert encoder.seen == ["words", "anything"]


def test_an_index_without_encoder_searches_by_words(tmp_path: Path, encoder: HashingEncoder) -> None:
    with Index.create(tmp_path / "i") as index:
        index.upsert([Document("apple pie", "1"), Document("", "2")])
        assert found(index, "pie") == {"1"}
        with pytest.raises(InputError, match="without an encoder"):
            Dense(index, encoder).retrieve(Query("x"), depth=1)
    with pytest.raises(IndexMismatchError, match="the encoder 'none'"):
        Index.open(tmp_path / "i", encoder=encoder)


def test_another_encoder_is_refused(index: Index) -> None:
    index.upsert([Document("apple", "1")])
    with pytest.raises(IndexMismatchError, match="'hashing-64', which cannot be compared with those of 'hashing-32'"):
        Dense(index, HashingEncoder(dimension=32)).retrieve(Query("x"), depth=1)
    index.close()
    with pytest.raises(IndexMismatchError, match=r"made with the encoder 'hashing-64'.* but 'hashing-32' .*was given"):
        Index.open(index.path, encoder=HashingEncoder(dimension=32))
    with Index.open(index.path) as again:
        assert found(again, "apple") == {"1"}
        with pytest.raises(InputError, match="open it with its encoder"):
            again.upsert([Document("pear", "2")])


def test_paths_without_an_index_say_how_to_make_one(tmp_path: Path, index: Index) -> None:
    with pytest.raises(IndexNotFoundError, match="shortlist index"):
        Index.open(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file"):
        Index.create(tmp_path / "file")
    index.close()
    with pytest.raises(InputError, match="already holds an index"):
        Index.create(index.path)


def test_a_closed_or_read_only_index_says_so(index: Index) -> None:
    index.upsert([Document("apple", "1")])
    with (
        Index.open(index.path, read_only=True) as reader,
        pytest.raises(StoreError, match="read_only=True"),
    ):
        reader.delete(["1"])
    index.close()
    index.close()
    with pytest.raises(StoreError, match="was closed"):
        index.count()


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        ([Document("x")], "document 0 has no doc_id"),
        ([Document("x", "a", metadata={"when": object()})], "metadata of document 'a'"),
        ([Document("x", "a", metadata={"n": float("nan")})], "metadata of document 'a'"),
        (["x"], "document 0 is a str"),
        (Document("x", "a"), "must be a list"),
    ],
)
def test_documents_that_cannot_be_stored_change_nothing(
    module_index: Index, documents: list[Document], said: str
) -> None:
    before = module_index.count()
    with pytest.raises(InputError, match=said):
        module_index.upsert(documents)
    assert module_index.count() == before


class Broken(HashingEncoder):
    def encode(self, texts: Sequence[str], *, role: Role) -> Vectors:
        vectors = super().encode(texts, role=role)
        vectors[-1, 0] = np.nan
        return vectors


def test_an_encoder_that_gives_nan_is_named_with_the_document(tmp_path: Path) -> None:
    with Index.create(tmp_path / "i", encoder=Broken()) as index:
        with pytest.raises(ScoreError, match="hashing-64 gave NaN or infinity for document 'b'"):
            index.upsert([Document("x", "a"), Document("y", "b")])
        assert index.count() == 0


@pytest.mark.parametrize(
    ("codes_from", "graph_from", "vector_search"), [(1201, 1202, "exact"), (1200, 1201, "codes"), (1, 1200, "HNSW")]
)
def test_optimizing_changes_no_ranking(
    tmp_path: Path, encoder: HashingEncoder, codes_from: int, graph_from: int, vector_search: str
) -> None:
    documents = [Document(f"word{i % 97} word{i % 13} number{i}", str(i)) for i in range(1200)]
    with Index.create(tmp_path / "i", encoder=encoder) as index:
        index.upsert(documents)
        retrievers = (BM25(index), Dense(index, encoder))
        before = [retriever.retrieve(Query("word5 number44"), depth=3) for retriever in retrievers]
        index.optimize(codes_from=codes_from, graph_from=graph_from)
        assert index.vector_search == vector_search
        after = [retriever.retrieve(Query("word5 number44"), depth=3) for retriever in retrievers]
        assert [one.doc_ids for one in after] == [one.doc_ids for one in before]
        assert [item.score for item in after[1]] == pytest.approx([item.score for item in before[1]], abs=1e-6)
        assert after[1].trace.steps[-1].facts["search"] == vector_search
        index.upsert([Document("extra word5", "x")])
    with Index.open(tmp_path / "i", encoder=encoder) as index:
        assert (index.count(), index.recovery, index.vector_search) == (1201, "", vector_search)
        assert "x" in found(index, "extra")


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a folder in use cannot be moved")
def test_an_index_whose_folder_was_moved_says_so_and_loses_nothing(tmp_path: Path) -> None:
    with Index.create(tmp_path / "here") as index:
        index.upsert([Document("apple", "1")])
        (tmp_path / "here").rename(tmp_path / "there")
        with pytest.raises(StoreError, match="look whether its folder is still there"):
            index.upsert([Document("pear", "2")])
        assert found(index, "apple pear") == {"1"}
    with Index.open(tmp_path / "there") as index:
        assert found(index, "apple pear") == {"1"}


def test_an_index_by_a_relative_path_stays_where_it_is_when_the_process_changes_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with Index.create("index") as index:
        monkeypatch.chdir(tmp_path / "elsewhere")
        index.upsert([Document("a tower", "d")])
        index.optimize()
    with Index.open(tmp_path / "index") as again:
        assert (again.recovery, found(again, "tower")) == ("", {"d"})
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_depth_beyond_every_engines_numbers_gives_all(tmp_path: Path) -> None:
    with Index.create(tmp_path / "i", encoder=HashingEncoder(dimension=64)) as index:
        index.upsert([Document("tower", "a"), Document("a tower", "b")])
        for retriever in (BM25(index), Dense(index, HashingEncoder(dimension=64))):
            assert len(retriever.retrieve(Query("tower"), depth=10**30)) == 2


def test_an_index_optimized_after_changes_scores_words_as_a_fresh_one(tmp_path: Path) -> None:
    documents = [Document(f"word{i % 7} word{i % 5} number{i}", str(i)) for i in range(2000)]
    kept = [Document("word3 " * (1 + i % 9), str(i)) for i in range(200)] + documents[400:]
    query = Query("word3 word1")
    with Index.create(tmp_path / "fresh") as index:
        index.upsert(kept)
        wanted = BM25(index).retrieve(query, depth=2000)
    with Index.create(tmp_path / "changed") as index:
        index.upsert(documents)
        assert index.unoptimized == 2000
        index.optimize()
        assert index.unoptimized == 0
        index.upsert(kept[:200])
        index.delete([str(i) for i in range(200, 400)])
        assert index.unoptimized == 200 + 400
        index.optimize()
        got = BM25(index).retrieve(query, depth=2000)
    scores = {item.doc_id: item.score for item in wanted}
    assert {item.doc_id: item.score for item in got} == pytest.approx(scores, rel=1e-5)


def test_codes_find_what_comparing_every_vector_finds(tmp_path: Path) -> None:
    encoder = HashingEncoder(dimension=64)
    chance = np.random.default_rng(0)
    documents = [Document(" ".join(f"word{i}" for i in chance.integers(0, 400, 12)), str(n)) for n in range(3000)]
    queries = [Query(" ".join(f"word{i}" for i in chance.integers(0, 400, 6))) for _ in range(20)]
    with Index.create(tmp_path / "i", encoder=encoder) as index:
        index.upsert(documents)
        exact = [Dense(index, encoder).retrieve(query, depth=20) for query in queries]
        index.optimize(codes_from=1)
        coded = [Dense(index, encoder).retrieve(query, depth=20) for query in queries]
        shared = [len({*one.doc_ids} & {*other.doc_ids}) for one, other in zip(exact, coded, strict=True)]
        assert sum(shared) >= 0.99 * 20 * len(queries)
        for one, other in zip(exact, coded, strict=True):  # scores are those of the full vectors
            assert [item.score for item in other] == pytest.approx([item.score for item in one], abs=1e-4)
        index.optimize()  # back below the threshold
        again = [Dense(index, encoder).retrieve(query, depth=20).doc_ids for query in queries]
        assert (index.vector_search, again) == ("exact", [one.doc_ids for one in exact])


def test_rebuilding_encodes_nothing_and_changes_no_ranking(index: Index, encoder: HashingEncoder) -> None:
    index.upsert([Document(f"word{i} shared", str(i), metadata={"n": i}) for i in range(50)])
    before = Dense(index, encoder).retrieve(Query("word7"), depth=50)
    index.close()
    encoder.seen.clear()
    assert Index.rebuild(index.path) == 50
    assert encoder.seen == []
    with Index.open(index.path, encoder=encoder) as again:
        after = Dense(again, encoder).retrieve(Query("word7"), depth=50)
        assert after.doc_ids == before.doc_ids
        assert [item.score for item in after] == [item.score for item in before]
        assert again.count({"n": {"lt": 10}}) == 10


class IndexAgainstDict(RuleBasedStateMachine):
    """Any sequence of writes, reopenings and rebuildings leaves what a dict would hold."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.encoder = HashingEncoder(dimension=8)
        self.index = Index.create(Path(self.folder.name) / "i", encoder=self.encoder)
        self.model: dict[str, tuple[str, str]] = {}

    ids = st.sampled_from("abcde")
    words = st.sampled_from(["apple", "banana", "cherry", ""])

    @rule(pairs=st.lists(st.tuples(ids, words), max_size=4), source=st.sampled_from(["", "s", "t"]))
    def upsert(self, pairs: list[tuple[str, str]], source: str) -> None:
        self.index.upsert([Document(word, doc_id) for doc_id, word in pairs], source=source)
        self.model.update({doc_id: (word, source) for doc_id, word in pairs})

    @rule(pairs=st.lists(st.tuples(ids, words), max_size=3), source=st.sampled_from(["s", "t"]))
    def replace_source(self, pairs: list[tuple[str, str]], source: str) -> None:
        self.index.replace_source(Source(source), [Document(word, doc_id) for doc_id, word in pairs])
        self.model = {k: v for k, v in self.model.items() if v[1] != source}
        self.model.update({doc_id: (word, source) for doc_id, word in pairs})

    @rule(gone=st.lists(ids, max_size=3))
    def delete(self, gone: list[str]) -> None:
        self.index.delete(gone)
        self.model = {k: v for k, v in self.model.items() if k not in gone}

    @rule(rebuild=st.booleans())
    def reopen(self, rebuild: bool) -> None:
        self.index.close()
        if rebuild:
            Index.rebuild(self.index.path)
        self.index = Index.open(self.index.path, encoder=self.encoder)

    @invariant()
    def holds_the_same(self) -> None:
        assert self.index.count() == len(self.model)
        for word in ("apple", "banana"):
            assert found(self.index, word) == {k for k, v in self.model.items() if v[0] == word}
        dense = Dense(self.index, self.encoder).retrieve(Query("apple"), depth=10)
        assert set(dense.doc_ids) == {k for k, v in self.model.items() if v[0]}

    def teardown(self) -> None:
        self.index.close()
        self.folder.cleanup()


IndexAgainstDict.TestCase.settings = settings(max_examples=4, stateful_step_count=8, deadline=None)
TestIndexAgainstDict = IndexAgainstDict.TestCase


@given(text=st.text(max_size=40), title=st.text(max_size=10))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_survives(index: Index, text: str, title: str) -> None:
    index.upsert([Document(text, "d", title)])
    assert (index.get("d").text, index.get("d").title) == (text, title)
