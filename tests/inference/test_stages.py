"""A model cut at its exits, beside the model that it was trained as."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from hypothesis import given
from hypothesis import strategies as st

from shortlist import Reranker
from shortlist.build.exit_margins import fit_margins
from shortlist.errors import InputError, UnsupportedModelError
from shortlist.evaluation.request import Request
from shortlist.inference.export.stages import export_stages
from shortlist.inference.models import find_model
from shortlist.inference.onnxruntime import OnnxRuntimeSession
from shortlist.inference.session import Precision
from shortlist.inference.stages import Stages
from shortlist.inference.tokens import ModelInput, Tokenizer
from shortlist.scorers.lexical import Lexical
from shortlist.scorers.pruned import Pruned
from shortlist.scorers.pruning import Margins, safe_margin, safe_margins, survivors
from shortlist.settings import Settings
from shortlist.testing import check_reranker
from shortlist.types import Document, Query, Ranking

pytestmark = pytest.mark.usefixtures("one_thread")

QUERY = Query("how many people live in berlin")
DOCUMENTS = [
    Document(f"{'berlin ' * (i % 7)} has {i} million people and {'museums ' * (i % 5)}", str(i)) for i in range(30)
]
CANDIDATES = Ranking.in_order(QUERY, DOCUMENTS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from shortlist.training.model import TrainableCrossEncoder

    folder = tmp_path_factory.mktemp("exits")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=30522,
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=64,
        num_labels=1,
        initializer_range=0.5,
        architectures=["BertForSequenceClassification"],
    )
    model = transformers.BertForSequenceClassification(config)
    TrainableCrossEncoder(model, exits=(1, 3)).save(folder)
    shutil.copy(find_model("shortlist-minilm-l6").path / "tokenizer.json", folder)
    return folder


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


INF = float("inf")


def pruned(folder: Path, margins: tuple[float, ...], **options: object) -> Pruned:
    """Load the folder with margins behind its layers, and none before the first one."""
    given = {5: margins if len(margins) == 3 else (INF, *margins)}
    return Pruned.load(folder, margins=given, engine="onnxruntime", precision="fp32", **options)  # type: ignore[arg-type]


def test_every_exit_scores_as_the_trained_model_does(folder: Path, tmp_path: Path) -> None:
    from shortlist.training.model import TrainableCrossEncoder

    inputs = [ModelInput(np.arange(1000, 1000 + n, dtype=np.int32), n // 2) for n in (9, 30, 30, 64)]
    ids = torch.zeros(4, 64, dtype=torch.int64)
    types, mask = torch.zeros_like(ids), torch.zeros_like(ids)
    for row, one in enumerate(inputs):
        ids[row, : len(one)] = torch.from_numpy(one.ids.astype(np.int64))
        mask[row, : len(one)], types[row, one.second_at : len(one)] = 1, 1
    with torch.no_grad():
        expected = TrainableCrossEncoder.from_encoder(folder, exits=(1, 3)).scores(ids, types, mask).numpy()
    files = export_stages(folder, tmp_path, weights="float32")
    sessions = [OnnxRuntimeSession.load(file, precision=Precision.FP32) for file in files]
    stages = Stages(Tokenizer.load(folder / "tokenizer.json"), sessions)
    passage = stages.begin(inputs)
    found = np.stack([passage.advance(range(4)) for _ in range(3)], axis=1)
    assert np.abs(found - expected).max() < 1e-4
    stages.close()


def test_without_a_margin_to_drop_by_the_order_is_that_of_the_last_layer(folder: Path) -> None:
    reranker = pruned(folder, (0.0, 0.0))
    finals = reranker.scores(QUERY, DOCUMENTS)[-1]
    ranking = reranker.rerank(CANDIDATES)
    assert ranking.doc_ids == tuple(str(i) for i in np.argsort(-finals, kind="stable"))
    assert not ranking.is_partial
    assert ranking.trace.steps[-1].counts["pruned"] == 0


def test_dropped_documents_follow_by_their_last_exit_and_are_reported(folder: Path) -> None:
    reranker = pruned(folder, (0.0, 0.0))
    early = reranker.scores(QUERY, DOCUMENTS)[1]
    ranking = reranker.rerank(CANDIDATES, top_k=5)
    step = ranking.trace.steps[-1]
    assert step.counts["stage_0"] == 30
    assert step.counts["pruned"] == 30 - step.counts["stage_2"] > 0
    assert "dropped at an exit" in step.degradations[-1]
    assert set(ranking.doc_ids) <= {str(i) for i in np.argsort(-early, kind="stable")[:5]}


def test_margins_made_for_these_queries_keep_the_top_of_them(folder: Path) -> None:
    measuring = pruned(folder, (0.0, 0.0))
    rankings = [Ranking.in_order(Query(f"berlin {i} museums"), DOCUMENTS) for i in range(30)]
    scores = [measuring.scores(one.query, one.documents) for one in rankings]
    margins = safe_margins(scores, top_k=5, risk=0.2)
    assert margins[0] == INF  # nothing stands beside the model, so nothing is known before its first layer
    reranker = pruned(folder, margins)
    lost = sum(set(reranker.rerank(one, top_k=5).doc_ids) != set(measuring.rerank(one).doc_ids[:5]) for one in rankings)
    assert lost <= 6
    assert safe_margins(scores[:3], top_k=5, risk=0.05) == (INF, INF, INF)


def test_another_scorer_is_added_at_every_exit(folder: Path) -> None:
    beside = Lexical()
    alone, both = pruned(folder, (0.0, 0.0)), pruned(folder, (0.0, 0.0), beside=beside, weight=2.0)
    added = 2 * beside.score(QUERY, DOCUMENTS).values
    assert np.allclose(both.scores(QUERY, DOCUMENTS), alone.scores(QUERY, DOCUMENTS) + added, atol=1e-4)


def test_what_stands_beside_decides_before_the_first_layer_and_the_unread_are_reported(folder: Path) -> None:
    beside = Lexical()
    both = pruned(folder, (0.5, INF, INF), beside=beside, weight=2.0)
    added = both.scores(QUERY, DOCUMENTS)[0]
    within = {str(i) for i in np.flatnonzero(added >= np.sort(added)[-5] - 0.5)}
    ranking = both.rerank(CANDIDATES, top_k=5)
    step = ranking.trace.steps[-1]
    assert step.counts["stage_0"] == len(within) < 30
    assert step.degradations[-1] == f"{30 - len(within)} of them were left unread, before the first layer"
    assert set(ranking.doc_ids) <= within
    assert both.rerank(CANDIDATES).trace.steps[-1].counts["pruned"] == 0


def test_margins_of_the_smallest_sufficient_top_k_are_taken(folder: Path) -> None:
    reranker = Pruned.load(
        folder, margins={3: (INF, 0.0, 0.0), 8: (INF, 0.0, INF)}, engine="onnxruntime", precision="fp32"
    )
    early = reranker.scores(QUERY, DOCUMENTS)[1]
    asked = {top_k: reranker.rerank(CANDIDATES, top_k=top_k).trace.steps[-1].counts for top_k in (2, 5, 9)}
    assert asked[2]["stage_1"] == (early >= np.sort(early)[-3]).sum()
    assert asked[5]["stage_1"] == (early >= np.sort(early)[-8]).sum()
    assert asked[9]["pruned"] == 0


def test_it_keeps_the_contract_of_a_reranker(folder: Path) -> None:
    check_reranker(pruned(folder, (1.0, 1.0)))


def test_a_model_without_exits_and_wrong_margins_are_refused(folder: Path) -> None:
    with pytest.raises(UnsupportedModelError, match=r"exit_heads.safetensors"):
        Pruned.load("shortlist-minilm-l6")
    with pytest.raises(InputError, match="3 margins from 0 are needed for top_k=5"):
        Pruned.load(folder, margins={5: (1.0,)}, engine="onnxruntime")


PAIR = st.tuples(st.floats(-9, 9, width=32), st.floats(-9, 9, width=32))
SCORES = st.lists(st.floats(-9, 9, width=32), min_size=1, max_size=40)


@given(SCORES, st.integers(1, 12), st.floats(0, 5))
def test_the_first_k_always_survive_and_no_one_within_the_margin_is_dropped(
    scores: list[float], top_k: int, margin: float
) -> None:
    ordered = np.sort(np.asarray(scores, dtype=np.float32))[::-1]
    kept = survivors(ordered, top_k=top_k, margin=margin)
    assert kept >= min(top_k, len(ordered))
    assert all(ordered[top_k - 1] - value > margin for value in ordered[kept:])


@given(st.lists(st.lists(PAIR, min_size=4, max_size=8), min_size=20, max_size=25))
def test_a_margin_covers_all_but_the_risked_share_of_the_queries(pairs: list[list[tuple[float, float]]]) -> None:
    exits = [np.asarray([a for a, _ in query], np.float32) for query in pairs]
    finals = [np.asarray([b for _, b in query], np.float32) for query in pairs]
    margin = safe_margin(exits, finals, top_k=3, risk=0.1)
    lost = 0
    for early, final in zip(exits, finals, strict=True):
        kept = np.argsort(-early, kind="stable")[: survivors(np.sort(early)[::-1], top_k=3, margin=margin + 1e-5)]
        lost += not set(np.argsort(-final, kind="stable")[:3].tolist()) <= set(kept.tolist())
    assert lost <= 0.1 * len(pairs)


def test_queries_of_no_more_candidates_than_are_kept_tell_nothing_of_a_margin() -> None:
    rng = np.random.default_rng(0)
    exits, finals = ([rng.normal(size=count).astype(np.float32) for count in [3] * 40 + [9] * 12] for _ in range(2))
    assert safe_margin(exits, finals, top_k=3, risk=0.1) == safe_margin(exits[40:], finals[40:], top_k=3, risk=0.1) > 0
    assert safe_margin(exits, finals, top_k=9, risk=0.1) == INF


def test_margins_come_back_from_their_file_as_they_were(tmp_path: Path) -> None:
    made = Margins("model@1:openvino:bf16:512:head", 0.1, 40, {1: (0.5, INF), 10: (0.1234567, INF)})
    made.save(tmp_path / "exits.json")
    assert Margins.load(tmp_path / "exits.json") == made
    assert made.fitted_for(2) == (10, (0.1234567, INF))
    assert made.fitted_for(11) is made.fitted_for(None) is None
    (tmp_path / "exits.json").write_text('{"margins": 3}', encoding="utf-8")
    with pytest.raises(InputError, match="holds no margins of exits"):
        Margins.load(tmp_path / "exits.json")


def test_a_reranker_takes_the_margins_that_were_fitted_for_its_model(folder: Path, tmp_path: Path) -> None:
    texts = [document.text for document in DOCUMENTS]
    corpus, queries = tmp_path / "corpus.jsonl", tmp_path / "queries.jsonl"
    corpus.write_text("".join(json.dumps({"_id": str(i), "text": text}) + "\n" for i, text in enumerate(texts)))
    queries.write_text("".join(json.dumps({"_id": f"q{i}", "text": f"berlin {i} museums"}) + "\n" for i in range(25)))
    request = Request(systems=("bm25@30",), corpus=str(corpus), queries=str(queries))
    settings = Settings(model=str(folder), engine="onnxruntime", precision="fp32")
    made = fit_margins(request, str(folder), settings=settings, top_ks=(5,), risk=0.4)
    assert (made.queries, *made.by_top_k) == (25, 5)
    assert np.isfinite(made.by_top_k[5]).tolist() == [False, True, True]
    made.save(tmp_path / "exits.json")
    reranker = Reranker.of(replace(settings, exits=str(tmp_path / "exits.json")))
    with pytest.raises(InputError, match=r"gets all candidates at once.*; leave its exits out"):
        reranker.rank(QUERY, texts, budget_ms=60_000)
    ranking = reranker.rank(QUERY, texts, top_k=5)
    assert ranking.trace.steps[-1].counts["stage_0"] == 30
    assert len(ranking) == 5
    replace(made, model="another").save(tmp_path / "exits.json")
    with pytest.raises(InputError, match="are of another, not of"):
        Reranker.of(replace(settings, exits=str(tmp_path / "exits.json"))).ready()
