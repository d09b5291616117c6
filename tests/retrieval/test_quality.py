from __future__ import annotations

from pathlib import Path

import ir_measures
import pytest
from ir_measures import nDCG

from shortlist.retrieval import BM25, Index
from shortlist.types import Query

from .collection import load_collection


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        # published, or measured with the reference settings: .358; the default k1 and b do better
        pytest.param("cranfield", 0.35, 0.40),
        pytest.param("scifact", 0.66, 0.69, marks=pytest.mark.slow),
        pytest.param("cosqa", 0.31, 0.40, marks=pytest.mark.slow),
        pytest.param("xquad_en", 0.95, 0.98, marks=pytest.mark.slow),
    ],
)
def test_bm25_lands_near_the_published_figures(tmp_path: Path, name: str, low: float, high: float) -> None:
    collection = load_collection(name)
    with Index.create(tmp_path / "index") as index:
        index.upsert(collection.documents)
        run = [
            ir_measures.ScoredDoc(query_id, item.doc_id, item.score)
            for query_id, text in collection.queries.items()
            for item in BM25(index).retrieve(Query(text), depth=10)
        ]
    qrels = [ir_measures.Qrel(*judged) for judged in collection.qrels]
    assert low <= ir_measures.calc_aggregate([nDCG @ 10], qrels, run)[nDCG @ 10] <= high
