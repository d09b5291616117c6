"""Drop-ins behave as what they stand in for; what was given stays as it was."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from shortlist.errors import InputError, ModelNotFoundError
from shortlist.integrations import flashrank, rerankers
from shortlist.integrations.rows import pair_scores
from shortlist.integrations.sentence_transformers import CrossEncoder
from shortlist.protocols import Group
from shortlist.scorers.lexical import Lexical
from shortlist.scorers.licensed import Licensed
from shortlist.types import Document, Query, Scores

TEXTS = ["cats hunt", "the tower is tall", "the tower is tall"]


def test_a_cross_encoder_predicts_and_ranks() -> None:
    model = CrossEncoder("lexical", kind="lexical")
    scores = model.predict([("tower", text) for text in TEXTS])
    assert scores.dtype == np.float32
    assert scores[1] == scores[2] > scores[0]
    assert model.predict(("tower", TEXTS[1])) == scores[1]
    assert model.predict([], convert_to_numpy=False) == []
    assert model.predict([("tower", TEXTS[1])], activation_fn=lambda x: x * 0)[0] == 0
    ranked = model.rank("tower", TEXTS, top_k=2, return_documents=True)
    assert [(one["corpus_id"], one["text"]) for one in ranked] == [(1, TEXTS[1]), (2, TEXTS[2])]
    assert json.loads(json.dumps(ranked)) == ranked
    assert model.rank("tower", []) == []
    assert type(model.predict(("tower", TEXTS[1]), convert_to_numpy=False)) is float
    with pytest.raises(InputError, match="pair 0 is no pair"):
        model.predict([("one",)])


class Together(Lexical):
    """Takes the documents of several queries at once, and remembers how many queries came together."""

    def __init__(self) -> None:
        super().__init__()
        self.came: list[int] = []

    def score_groups(self, groups: Sequence[Group]) -> list[Scores]:
        self.came.append(len(groups))
        return [self.score(query, documents) for query, documents in groups]


@pytest.mark.parametrize("is_licensed", [True, False])
def test_pairs_of_many_queries_are_scored_together_and_in_bounds(is_licensed: bool) -> None:
    inner = Together()
    pairs = [(f"tower {place // 2}", f"{text} {place}") for place, text in enumerate(TEXTS * 50)]
    scores = pair_scores(Licensed(inner, "not for sale") if is_licensed else inner, pairs)
    expected = [Lexical().score(Query(query), [Document(text)]).values[0] for query, text in pairs]
    assert scores == pytest.approx(np.array(expected))
    assert inner.came == [64, 11]


def test_what_a_cross_encoder_is_given_and_does_not_need_is_taken() -> None:
    unused: dict[str, Any] = {
        "cache_folder": "models",
        "device": None,
        "token": True,
        "num_labels": 1,
        "local_files_only": False,
    }
    with pytest.warns(UserWarning, match="cache_folder is not used: HF_HOME"):
        model = CrossEncoder("lexical", kind="lexical", model_kwargs={}, processor_kwargs=None, **unused)
    pair = ("tower", TEXTS[1])
    assert model.predict(pair, num_workers=2, apply_softmax=True, prompt=None) == model.predict(pair)
    halved = CrossEncoder("lexical", kind="lexical", activation_fn=lambda scores: scores / 2)
    assert halved.predict(pair) == model.predict(pair) / 2
    assert halved.predict(pair, activation_fn=lambda scores: scores) == model.predict(pair)
    assert "onnxruntime" in CrossEncoder("shortlist-minilm-l6", backend="onnx")._scorer.fingerprint


def test_a_module_or_function_of_torch_is_an_activation() -> None:
    torch = pytest.importorskip("torch")
    model = CrossEncoder("lexical", kind="lexical")
    pairs = [("tower", text) for text in TEXTS]
    logits = model.predict(pairs)
    for activation_fn in (torch.nn.Sigmoid(), torch.sigmoid, torch.nn.functional.sigmoid):
        sigmoids = model.predict(pairs, activation_fn=activation_fn)
        assert sigmoids == pytest.approx(1 / (1 + np.exp(-logits)))
        assert sigmoids.dtype == np.float32


def test_what_is_set_on_a_cross_encoder_and_would_change_nothing_is_refused() -> None:
    model: Any = CrossEncoder("lexical", kind="lexical")
    with pytest.raises(AttributeError, match="max_length"):
        model.max_length = 512


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"local_files_only": True}, "HF_HUB_OFFLINE=1"),
        ({"token": "hf_x"}, "set HF_TOKEN"),
        ({"model_kwargs": {"torch_dtype": "float16"}}, "precision= and engine="),
        ({"processor_kwargs": {"padding_side": "left"}}, "max_length="),
        ({"num_labels": 3}, "it is for training"),
        ({"backend": "tensorflow"}, "backend must be one of torch, onnx, openvino"),
        ({"foo": 1}, "has no option 'foo'"),
    ],
)
def test_what_a_cross_encoder_cannot_do_is_refused_with_what_there_is(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        CrossEncoder("lexical", kind="lexical", **options)


def test_what_a_call_cannot_do_is_refused() -> None:
    model = CrossEncoder("lexical", kind="lexical")
    for options, message in (({"prompt": "query: "}, "into the text"), ({"foo": 1}, "no option 'foo'")):
        with pytest.raises(InputError, match=message):
            model.predict([("tower", "a")], **options)
        with pytest.raises(InputError, match=message):
            model.rank("tower", ["a"], **options)


def test_it_is_called_as_the_real_cross_encoder_is() -> None:
    """Every parameter of ours is one of theirs, and those that may be given by their place stand at the same."""
    import inspect

    real = pytest.importorskip("sentence_transformers").CrossEncoder
    for name, by_place in (("rank", 5), ("predict", 2)):
        theirs, ours = (list(inspect.signature(getattr(one, name)).parameters) for one in (real, CrossEncoder))
        assert theirs[:by_place] == ours[:by_place]
        assert set(ours) - {"how"} <= set(theirs)


def test_a_model_that_is_nowhere_is_an_error_of_the_constructor() -> None:
    for load in (flashrank.Ranker, rerankers.Reranker, CrossEncoder):
        with pytest.raises(ModelNotFoundError, match="no model 'nope'"):
            load("nope")


def test_rerankers_names_for_a_family_are_the_packaged_model() -> None:
    for name in ("cross-encoder", "flashrank", "t5"):
        assert str(rerankers.Reranker(name, "en", verbose=0)._reranker._first) == "shortlist-l6"
    with pytest.raises(InputError, match="reads English, not 'fr'"):
        rerankers.Reranker("cross-encoder", lang="fr")


def test_rerankers_compressor_for_langchain_keeps_the_best() -> None:
    documents = pytest.importorskip("langchain_core.documents")
    compressor = rerankers.Reranker("lexical", kind="lexical").as_langchain_compressor(k=1)
    found = compressor.compress_documents([documents.Document(text) for text in TEXTS], "tower")
    assert [one.page_content for one in found] == [TEXTS[1]]


def test_flashranks_passages_come_back_copied_with_all_their_keys() -> None:
    passages = [{"id": place, "text": text, "meta": {"n": place}} for place, text in enumerate(TEXTS)]
    ranker = flashrank.Ranker("lexical", kind="lexical")
    found = ranker.rerank(flashrank.RerankRequest(query="tower", passages=passages))
    assert [one["id"] for one in found] == [1, 2, 0]
    assert found[0]["meta"] is passages[1]["meta"]
    assert all("score" not in passage for passage in passages)
    with pytest.raises(InputError, match="passage 0 has no string 'text'"):
        ranker.rerank(flashrank.RerankRequest("tower", [{"id": 1}]))


def test_rerankers_results_keep_ids_and_equal_texts_apart() -> None:
    ranker = rerankers.Reranker("lexical", kind="lexical", model_type="cross-encoder")
    found = ranker.rank("tower", TEXTS, doc_ids=["a", "b", "c"], metadata=[{"n": 0}, {"n": 1}, {"n": 2}])
    told = [(one.doc_id, one.rank, one.document.metadata["n"]) for one in found]
    assert told == [("b", 1, 1), ("c", 2, 2), ("a", 3, 0)]
    assert [one.text for one in found.top_k(1)] == [TEXTS[1]]
    assert found.get_score_by_docid("a") == found[2].score
    assert found.get_score_by_docid("z") is None
    again = asyncio.run(ranker.rank_async("tower", TEXTS))
    assert [one.doc_id for one in again] == [1, 2, 0]
    with pytest.raises(InputError, match="3 documents came with 1 doc_ids"):
        ranker.rank("tower", TEXTS, doc_ids=["a"])


def test_rerankers_size_of_a_batch_is_taken_and_not_needed() -> None:
    ranker = rerankers.Reranker("lexical", kind="lexical", batch_size=16)
    assert ranker.rank("tower", TEXTS, batch_size=2) == ranker.rank("tower", TEXTS)


def test_rerankers_documents_keep_what_they_have_unless_it_is_given_anew() -> None:
    ranker = rerankers.Reranker("lexical", kind="lexical")
    plain, named = rerankers.Document(TEXTS[0]), rerankers.Document(TEXTS[1], "b", {"n": 1, "text": "hidden"})
    nothing: Any = None
    assert (plain.doc_id, rerankers.Document("x", metadata=nothing).metadata) == (None, {})
    found = ranker.rank("tower", [plain, named])
    assert [(one.doc_id, one.text) for one in found] == [("b", TEXTS[1]), (0, TEXTS[0])]
    assert (found[0].document, found[0].n) == (named, 1)
    ids: Any = np.array([4, 5])
    again = ranker.rank("tower", (plain, named), doc_ids=ids, metadata=[{"n": 2}, {"n": 3}])
    assert [(one.doc_id, one.n) for one in again] == [(5, 3), (4, 2)]
    assert (named.doc_id, named.metadata["n"]) == ("b", 1)
    assert [one.doc_id for one in ranker.rank("tower", named)] == ["b"]
    assert [one.doc_id for one in ranker.rank("tower", named, doc_ids=["c"])] == ["c"]
    with pytest.raises(InputError, match="2 documents came with 0 doc_ids"):
        ranker.rank("tower", TEXTS[:2], doc_ids=[])
    with pytest.raises(AttributeError, match="nowhere"):
        found[0].nowhere  # noqa: B018, reading it is what fails
