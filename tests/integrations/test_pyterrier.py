"""PyTerrier runs our rerankers; the real package, without Java."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from shortlist.build.evaluation import evaluate_request
from shortlist.errors import InputError
from shortlist.evaluation import read_beir
from shortlist.evaluation.request import Request
from shortlist.integrations.pyterrier import reranking, transformer
from shortlist.scorers.lexical import Lexical
from shortlist.scorers.pointwise import Pointwise
from shortlist.types import Ranking

pytestmark = [pytest.mark.filterwarnings("ignore")]  # of PyTerrier and what it imports

pt = pytest.importorskip("pyterrier")
pd = pytest.importorskip("pandas")


def frame() -> Any:
    rows = [
        ("1", "tower height", "d1", "cats hunt at night", 9.0, "kept"),
        ("1", "tower height", "d2", "the tower's height is 330 m", 8.0, "too"),
        ("1", "tower height", "d2", "a tower", 7.0, "twice"),
        ("2", "cats", "d1", "cats hunt at night", 5.0, "kept"),
    ]
    return pd.DataFrame(rows, columns=["qid", "query", "docno", "text", "score", "extra"]).assign(rank=[0, 1, 2, 0])


def test_each_querys_rows_are_reordered_and_other_columns_kept() -> None:
    found = transformer(Pointwise(Lexical()))(frame())
    first = found[found.qid == "1"].sort_values("rank")
    assert list(first.extra) == ["too", "twice", "kept"]
    assert list(first.docno) == ["d2", "d2", "d1"]
    assert list(first["rank"]) == [0, 1, 2]
    assert list(first.score) == sorted(first.score, reverse=True)
    assert list(found[found.qid == "2"].docno) == ["d1"]


def test_queries_are_reranked_together_by_what_can() -> None:
    class Together(Pointwise):
        def rerank_many(self, many: Sequence[Ranking], *, top_k: int | None = None) -> list[Ranking]:
            came.append([candidates.query.query_id for candidates in many])
            return super().rerank_many(many, top_k=top_k)

    came: list[list[str]] = []
    assert transformer(Together(Lexical()))(frame()).equals(transformer(Pointwise(Lexical()))(frame()))
    assert came == [["1", "2"]]


def test_a_missing_text_is_an_empty_one_and_a_missing_query_is_refused() -> None:
    given = frame().assign(query="nan or none")
    missing = [None, float("nan"), pd.NA]
    for texts in (pd.Series([*missing, "a tower"], dtype=object), pd.Series(["a tower"] * 4, dtype="category")):
        found = transformer(Pointwise(Lexical()))(given.assign(text=texts))
        assert list(found.score) == [0.0] * 4
        assert found.text.isna().sum() == texts.isna().sum()
    with pytest.raises(InputError, match="the query is empty"):
        transformer(Pointwise(Lexical()))(given.assign(query=None))


def test_a_frame_without_rows_gets_the_columns_of_one_with_some() -> None:
    found = transformer(Pointwise(Lexical()))(frame()[["qid", "query", "docno", "text"]].iloc[:0])
    assert list(found.columns) == ["qid", "query", "docno", "text", "score", "rank"]
    assert len(found) == 0


def test_it_is_a_step_of_a_pipeline_and_is_measured_by_an_experiment() -> None:
    given = pt.Transformer.from_df(frame().drop_duplicates(["qid", "docno"]), uniform=True)
    pipeline = given >> reranking("lexical", kind="lexical")
    topics = pd.DataFrame([("1", "tower height"), ("2", "cats")], columns=["qid", "query"])
    qrels = pd.DataFrame([("1", "d2", 1), ("2", "d1", 1)], columns=["qid", "docno", "label"])
    table = pt.Experiment([given, pipeline], topics, qrels, ["recip_rank"], names=["first", "second"])
    assert list(table.recip_rank) == [0.75, 1.0]


@pytest.mark.parametrize(
    ("name", "first", "model"),
    [
        ("adi", "bm25@30", "lexical[kind=lexical]"),
        pytest.param(
            "trec_dl19", "run:{folder}/candidates/BM25.trec@10", "shortlist-minilm-l6", marks=pytest.mark.slow
        ),
    ],
)
def test_an_experiment_measures_what_our_own_evaluation_measures(name: str, first: str, model: str, data: Path) -> None:
    folder = data / "eval" / name
    systems = (f"{first.format(folder=folder)}", f"{first.format(folder=folder)} > {model}")
    found = evaluate_request(Request(systems, ("nDCG@10",), collection=str(folder), sample=12)).systems
    collection = read_beir(folder).sampled(12, seed=0)
    texts = {query.query_id: query.text for query in collection.queries}
    rows = [
        (query_id, texts[query_id], doc_id, collection.documents[doc_id].full_text, -float(place), place)
        for query_id, answer in found[0].answers.items()
        for place, doc_id in enumerate(answer.candidates)
    ]
    given = pt.Transformer.from_df(pd.DataFrame(rows, columns=["qid", "query", "docno", "text", "score", "rank"]))
    bare, _, kind = model.removesuffix("]").partition("[kind=")
    judged = [(q, d, grade) for q, grades in collection.qrels.items() for d, grade in grades.items()]
    table = pt.Experiment(
        [given, given >> reranking(bare, kind=kind or None)],
        pd.DataFrame(list(texts.items()), columns=["qid", "query"]),
        pd.DataFrame(judged, columns=["qid", "docno", "label"]),
        ["ndcg_cut_10"],
        names=["first", "second"],
    )
    assert list(table.ndcg_cut_10) == pytest.approx([system.mean("nDCG@10") for system in found], abs=1e-6)


def test_an_empty_frame_stays_empty() -> None:
    assert len(transformer(Pointwise(Lexical()))(frame().head(0))) == 0


def test_a_frame_without_texts_is_refused_with_the_way_out() -> None:
    with pytest.raises(InputError, match=r"no column 'text'.*get_text"):
        transformer(Pointwise(Lexical()))(frame().drop(columns="text"))
