"""`rank` and `Reranker` as a library's user calls them, with the packaged model."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import multiprocessing
import threading
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import shortlist
from shortlist import Document, Ranking, Reranker
from shortlist.errors import InputError, ModelNotFoundError
from shortlist.inference.biencoder import BiEncoder
from shortlist.integrations.sentence_transformers import CrossEncoder
from shortlist.settings import Settings
from shortlist.types import QUERY_CUT
from shortlist.weights import find_packaged

QUESTION = "how tall is the tower?"
TEXTS = ["It is of iron.", "The tower is 330 m tall.", "Cats sleep most of the day."]


@pytest.fixture(scope="module")
def packaged() -> Reranker:
    """The packaged model on the engine that every install has."""
    return Reranker.load(engine="onnxruntime")


@pytest.fixture(scope="module")
def lexical() -> Reranker:
    return Reranker.load(kind="lexical")


def test_two_lines_are_enough() -> None:
    ranking = shortlist.rank(QUESTION, TEXTS, top_k=2)
    assert ranking[0].document.text == TEXTS[1]
    assert [item.rank for item in ranking] == [1, 2]


def test_an_open_encoder_is_used_for_models_that_need_it() -> None:
    with contextlib.closing(BiEncoder.load("all-minilm-l6-v2", engine="onnxruntime")) as encoder:
        for model in ("all-minilm-l6-v2", "shortlist-l6"):
            ranking = Reranker.load(model, engine="onnxruntime", encoder=encoder).rank(QUESTION, TEXTS)
            assert ranking[0].document.text == TEXTS[1]


def ids_by(reranker: Reranker) -> tuple[str, ...]:
    return reranker.rank(QUESTION, TEXTS).doc_ids


def test_a_reranker_can_be_sent_to_another_process(packaged: Reranker) -> None:
    with contextlib.closing(BiEncoder.load("all-minilm-l6-v2", engine="onnxruntime")) as encoder:
        sent = Reranker(engine="onnxruntime", faster=["token-bm25"], fallback=["all-minilm-l6-v2"], encoder=encoder)
        sent.rank(QUESTION, TEXTS)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as elsewhere:
        assert elsewhere.submit(ids_by, sent).result() == ids_by(packaged)


def test_a_copy_of_whatever_holds_a_reranker_loads_no_model_again(packaged: Reranker) -> None:
    assert copy.deepcopy({"second stage": packaged})["second stage"] is packaged


def test_strings_mappings_and_documents_can_be_mixed_and_come_back_untouched(packaged: Reranker) -> None:
    metadata = {"nested": {"list": [1, None]}, "lone": "\ud800"}
    document = Document(TEXTS[2], "cats", "Cats", metadata)
    row = {"id": 7, "text": TEXTS[1], "year": 1889}
    ranking = packaged.rank(QUESTION, [TEXTS[0], row, document])
    by_id = {item.doc_id: item.document for item in ranking}
    assert sorted(by_id) == ["0", "7", "cats"]
    assert by_id["cats"] is document
    assert by_id["cats"].metadata is metadata
    assert by_id["7"].metadata == {"year": 1889}
    assert row == {"id": 7, "text": TEXTS[1], "year": 1889}
    assert ranking[0].doc_id == "7"


def test_equal_texts_stay_distinct_and_keep_their_order(packaged: Reranker) -> None:
    ranking = packaged.rank(QUESTION, [TEXTS[0], TEXTS[1], TEXTS[0], TEXTS[1]])
    assert ranking.doc_ids == ("1", "3", "0", "2")
    assert ranking[0].score == ranking[1].score


def test_top_k_is_the_beginning_of_the_whole_ranking(packaged: Reranker) -> None:
    whole = packaged.rank(QUESTION, TEXTS)
    assert packaged.rank(QUESTION, TEXTS, top_k=2).doc_ids == whole.doc_ids[:2]
    assert packaged.rank(QUESTION, TEXTS, top_k=99).doc_ids == whole.doc_ids
    for nonsense in (0, -1, 1.5, True):
        with pytest.raises(InputError, match="top_k must be a whole number from 1"):
            packaged.rank(QUESTION, TEXTS, top_k=nonsense)  # type: ignore[arg-type]


def test_no_documents_give_an_empty_ranking(packaged: Reranker) -> None:
    assert len(packaged.rank(QUESTION, [])) == 0


@pytest.mark.parametrize("query", ["", " \n\t", None, 5])
def test_a_query_without_words_is_refused(lexical: Reranker, query: Any) -> None:
    with pytest.raises(InputError, match="query"):
        lexical.rank(query, TEXTS)


@pytest.mark.parametrize(
    ("documents", "reason"),
    [
        ("one text", "put it in a list"),
        ({"text": "one"}, "put it in a list"),
        ([None], "must be a string, a mapping with 'text', or a Document, not NoneType"),
        (["fine", {"text": 5}], "document 1: 'text' must be a string"),
        (["fine", {"body": "x"}], r"with keys \['body'\]"),
    ],
)
def test_documents_of_the_wrong_type_are_refused_by_name(lexical: Reranker, documents: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        lexical.rank(QUESTION, documents)


def test_empty_documents_come_last_and_are_counted(packaged: Reranker) -> None:
    ranking = packaged.rank(QUESTION, ["", TEXTS[1], " \n"])
    assert ranking[0].doc_id == "1"
    assert sorted(ranking.doc_ids) == ["0", "1", "2"]
    assert any("2 documents are empty" in text for text in ranking.trace.degradations)


@pytest.mark.parametrize(
    ("query", "texts", "whose"),
    [
        (QUESTION, ["ベルリン", "柏林是德国首都和最大的城市", TEXTS[1]], "1 documents"),
        ("ราคาเท่าไร", TEXTS, "the query"),
        ("😀", ["😀 🎉", TEXTS[1]], "the query and 1 documents"),
        (QUESTION, [*TEXTS, "Wie hoch ist der Turm in Paris?", "Какова высота башни?", ""], None),
    ],
)
def test_texts_that_the_vocabulary_does_not_hold_are_counted(
    packaged: Reranker, query: str, texts: list[str], whose: str | None
) -> None:
    notes = [note for note in packaged.rank(query, texts).trace.degradations if "vocabulary" in note]
    said = f"a third or more of the words of {whose} are unknown to the model's vocabulary"
    assert [note.partition(": ")[2] for note in notes] == ([said] if whose else [])


@pytest.mark.parametrize("model", ["all-minilm-l6-v2", "shortlist-l6"])
def test_a_query_that_the_bi_encoder_does_not_read_to_its_end_is_said(model: str) -> None:
    ranking = Reranker(model, engine="onnxruntime").rank("how tall is the tower? " * 50, TEXTS)
    (cut,) = [cut for step in ranking.trace.steps for cut in step.truncations]
    assert (cut.doc_id, cut.seen) == (QUERY_CUT, 254)
    assert any(f"read 254 of {cut.total} tokens" in note for note in ranking.trace.degradations)


def test_ten_thousand_documents_are_one_call(lexical: Reranker) -> None:
    texts = [f"document {i}" for i in range(10_000)]
    ranking = lexical.rank("document 7777", texts)
    assert ranking[0].document.text == "document 7777"
    assert sorted(map(int, ranking.doc_ids)) == list(range(10_000))
    assert lexical.rank("document 7777", texts, top_k=1).doc_ids == ("7777",)


@pytest.mark.slow
def test_two_thousand_documents_are_one_call_for_the_packaged_model(packaged: Reranker) -> None:
    texts = [f"Cats sleep on sofa {i}." for i in range(2_000)]
    texts[1000] = TEXTS[1]
    ranking = packaged.rank(QUESTION, texts)
    assert ranking[0].doc_id == "1000"
    assert sorted(map(int, ranking.doc_ids)) == list(range(2_000))


anything = st.lists(st.text(st.characters(exclude_categories=()), max_size=40), max_size=12)


@given(texts=anything, query=st.text(min_size=1).filter(str.strip))
@settings(max_examples=60)
def test_any_texts_come_back_as_a_permutation(texts: list[str], query: str) -> None:
    ranking = Reranker(kind="lexical").rank(query, texts)
    assert Counter(ranking.doc_ids) == Counter(map(str, range(len(texts))))
    assert all(item.document.text == texts[int(item.doc_id)] for item in ranking)
    scores = [item.score for item in ranking]
    assert scores == sorted(scores, reverse=True)


@given(texts=anything, query=st.text(min_size=1).filter(str.strip))
@settings(max_examples=12)
def test_any_texts_come_back_as_a_permutation_of_the_packaged_model(
    packaged: Reranker, texts: list[str], query: str
) -> None:
    ranking = packaged.rank(query, texts)
    assert Counter(ranking.doc_ids) == Counter(map(str, range(len(texts))))
    assert all(item.document.text == texts[int(item.doc_id)] for item in ranking)


def test_a_model_that_is_nowhere_is_an_error_at_load_not_before() -> None:
    reranker = Reranker("nonsense")
    with pytest.raises(ModelNotFoundError, match="no model 'nonsense': it is neither packaged"):
        reranker.rank(QUESTION, TEXTS)
    with pytest.raises(ModelNotFoundError):
        Reranker.load("nonsense")


def test_an_unknown_way_with_long_documents_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"head, head\+tail, passages-max, passages-short, passages-80; got 'tail'"):
        Reranker.load(engine="onnxruntime", long_documents="tail")


def test_names_of_other_libraries_are_refused_with_those_that_there_are(lexical: Reranker) -> None:
    has = "has no option 'top_n'; it has: top_k, budget_ms, "
    for rank in (shortlist.rank, lexical.rank):
        with pytest.raises(InputError, match=f"rank {has}cancel"):
            rank(QUESTION, TEXTS, top_n=1)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=f"arank {has}min_score"):
        asyncio.run(lexical.arank(QUESTION, TEXTS, top_n=1))  # type: ignore[arg-type]


def test_a_query_with_documents_is_ranked_and_not_reranked(lexical: Reranker) -> None:
    for wrong in ((QUESTION, TEXTS), (TEXTS,)):
        with pytest.raises(InputError, match=r"there is rank\(query, documents\)"):
            lexical.rerank(*wrong)
        with pytest.raises(InputError, match=r"there is arank\(query, documents\)"):
            asyncio.run(lexical.arerank(*wrong))


def test_a_model_s_folder_may_be_a_path() -> None:
    packaged = find_packaged("shortlist-minilm-l6")
    assert packaged is not None
    for load in (Reranker.load, CrossEncoder):
        assert load(packaged.folder, engine="onnxruntime") is not None
    with contextlib.closing(BiEncoder.load(packaged.folder.parent / "all-minilm-l6-v2", engine="onnxruntime")) as one:
        assert one.dimension == 384


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": ""}, "a model's name is empty"),
        ({"faster": "lexical"}, r"faster must be a list .*put it in a list: \['lexical'\]"),
        ({"fallback": "lexical"}, r"fallback must be a list .*put it in a list: \['lexical'\]"),
        ({"foo": 1}, "has no option 'foo'; it has: revision, engine"),
        ({"kind": "lexical", "foo": 1}, "the kind 'lexical' has no option 'foo'; it has none"),
        ({"model": "all-minilm-l6-v2", "foo": 1}, "the kind 'bi-encoder' has no option 'foo'; it has: revision"),
        ({"kind": "tei", "model": "http://localhost:1", "foo": 1}, "no option 'foo'; it has: base_url"),
        ({"threads": "2"}, "threads of .* must be a whole number; got '2'"),
        ({"threads": 1.5}, r"threads of .* must be a whole number; got 1\.5"),
        ({"threads": True}, "threads of .* must be a whole number; got True"),
        ({"threads": 0}, "threads must be a whole number from 1; got 0"),
        ({"device": "gpu"}, "device must be 'auto', 'cpu', 'cuda'"),
    ],
)
def test_what_cannot_be_loaded_so_is_refused_by_its_name(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Reranker.load(**options)


def test_an_exact_reranker_scores_a_pair_the_same_to_the_bit_whatever_it_comes_with() -> None:
    exact = Reranker.load("shortlist-l6", exact=True)
    texts = [*TEXTS, *(f"{TEXTS[1]} {'Word ' * n}" for n in range(1, 40, 3))]
    together = {item.document.text: item.score for item in exact.rank(QUESTION, texts)}
    assert together == {text: exact.rank(QUESTION, [text])[0].score for text in texts}


def test_exact_scores_are_refused_by_kinds_that_have_none() -> None:
    with pytest.raises(InputError, match="cannot be asked to be exact"):
        Reranker.of(Settings(model="lexical:any", exact=True)).ready()


def test_an_awaited_budget_counts_the_time_in_which_no_thread_is_free(lexical: Reranker) -> None:
    lexical.expect_budgets()

    async def asked_while_all_threads_are_busy() -> Ranking:
        loop, busy, free = asyncio.get_running_loop(), threading.Event(), threading.Event()
        loop.set_default_executor(ThreadPoolExecutor(1))

        def hold() -> None:
            busy.set()
            free.wait(60)

        loop.run_in_executor(None, hold)
        assert busy.wait(60)
        ranking = asyncio.ensure_future(lexical.arank(QUESTION, TEXTS, budget_ms=20))
        await asyncio.sleep(0.1)
        free.set()
        return await ranking

    late = asyncio.run(asked_while_all_threads_are_busy())
    assert (late.unscored, [item.text for item in late]) == (len(TEXTS), TEXTS)
