"""mteb runs our scorers; the real package on a task of its own kind, made here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shortlist.build.evaluation import evaluate_request
from shortlist.evaluation import Collection, read_beir
from shortlist.evaluation.request import Request
from shortlist.integrations.mteb import MtebCrossEncoder
from shortlist.scorers.lexical import Lexical
from shortlist.types import Document, Query

pytestmark = [pytest.mark.filterwarnings("ignore")]  # of mteb and what it imports

mteb = pytest.importorskip("mteb")

PAIRS = [("tower", "a tower of iron"), ("tower", "cats"), ("cats", "cats"), ("tower", "tower")]


def batches(texts: list[str]) -> list[dict[str, Any]]:
    return [{"text": texts[:3]}, {"text": texts[3:]}]


def test_one_score_a_pair_in_the_given_order() -> None:
    model = MtebCrossEncoder.load("lexical", kind="lexical")
    scores = model.predict(
        batches([q for q, _ in PAIRS]), batches([d for _, d in PAIRS]), hf_split="test", batch_size=2
    )
    expected = [Lexical().score(Query(query), [Document(text)]).values[0] for query, text in PAIRS]
    assert scores.dtype == np.float32
    assert scores == pytest.approx(np.array(expected))
    assert model.predict([], []).shape == (0,)


def test_it_keeps_mtebs_protocol_and_names_itself() -> None:
    protocols = pytest.importorskip("mteb.models.models_protocols")
    model = MtebCrossEncoder.load("lexical", kind="lexical")
    assert isinstance(model, protocols.CrossEncoderProtocol)
    assert model.mteb_model_meta.name == "shortlist/lexical"
    assert model.mteb_model_meta.revision == Lexical().fingerprint


def task_of(collection: Collection, ranked: Mapping[str, tuple[str, ...]]) -> Any:
    """A reranking task of mteb over a collection in memory; nothing is fetched."""
    datasets, tasks = pytest.importorskip("datasets"), pytest.importorskip("mteb.abstasks.retrieval")
    kind = pytest.importorskip("mteb.abstasks.task_metadata").TaskMetadata

    class Here(tasks.AbsTaskRetrieval):  # type: ignore[misc,name-defined]
        metadata = metadata_of(kind)

        def load_data(self, *_: Any, **__: Any) -> None:
            rows = [{"id": d, "title": doc.title, "text": doc.text} for d, doc in collection.documents.items()]
            asked = [{"id": query.query_id, "text": query.text} for query in collection.queries]
            split = {
                "corpus": datasets.Dataset.from_list(rows),
                "queries": datasets.Dataset.from_list(asked),
                "relevant_docs": {q: dict(judged) for q, judged in collection.qrels.items()},
                "top_ranked": {query.query_id: list(ranked[query.query_id]) for query in collection.queries},
            }
            self.dataset, self.data_loaded = {"default": {"test": split}}, True

    return Here()


def metadata_of(kind: Any) -> Any:
    return kind(
        name="ShortlistHere",
        description="A collection in memory.",
        dataset={"path": "here", "revision": "1"},
        type="Reranking",
        category="t2t",
        modalities=["text"],
        eval_splits=["test"],
        eval_langs=["eng-Latn"],
        main_score="ndcg_at_10",
    )


@pytest.mark.parametrize(
    ("name", "first", "model"),
    [
        ("adi", "bm25@30", "lexical[kind=lexical]"),
        pytest.param("trec_dl19", "candidates/BM25.trec", "shortlist-minilm-l6", marks=pytest.mark.slow),
    ],
)
def test_mteb_measures_what_our_own_evaluation_measures(name: str, first: str, model: str, data: Path) -> None:
    folder = data / "eval" / name
    stage = f"run:{folder / first}@10" if first.endswith(".trec") else first
    request = Request((f"{stage} > {model}",), ("nDCG@10",), collection=str(folder), sample=12)
    found = evaluate_request(request).systems[0]
    collection = read_beir(folder).sampled(12, seed=0)
    candidates = {query_id: answer.candidates for query_id, answer in found.answers.items()}
    bare, _, kind = model.removesuffix("]").partition("[kind=")
    ours = MtebCrossEncoder.load(bare, kind=kind or None)
    result = mteb.evaluate(
        ours, task_of(collection, candidates), cache=None, co2_tracker=False, show_progress_bar=False
    )
    assert result.model_name == f"shortlist/{bare}"
    (scores,) = result.task_results[0].scores["test"]
    assert scores["ndcg_at_10"] == pytest.approx(found.mean("nDCG@10"), abs=1e-4)
