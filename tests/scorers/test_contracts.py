"""Every registered scorer, on every installed engine, keeps the contract; so do the compositions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from families.tiny import write_classifier, write_colbert
from shortlist.build.models import load_model
from shortlist.errors import ScoreError
from shortlist.inference.biencoder import BiEncoder
from shortlist.inference.load import available_engines
from shortlist.pipeline import Budgeted, Level
from shortlist.protocols import Reranker, Role, Scorer
from shortlist.scorers.blend import Blend
from shortlist.scorers.cached import Cached
from shortlist.scorers.cosine import Cosine
from shortlist.scorers.cross_encoder import CrossEncoder
from shortlist.scorers.hosted.providers import PROVIDERS
from shortlist.scorers.lexical import Lexical
from shortlist.scorers.pointwise import Pointwise
from shortlist.scorers.registry import load_scorer, scorer_kinds
from shortlist.scorers.token_bm25 import TokenBM25
from shortlist.testing import RerankServer, check_reranker, check_scorer
from shortlist.testing.texts import DOCUMENTS, QUERY
from shortlist.types import Document, DocumentVector, Query, Ranking, ScoreKind, Scores, Step
from shortlist.wire import DIALECTS

from .language_models import save_qwen3, save_t5

CROSS_ENCODER = "shortlist-minilm-l6"
CASES = [
    *(("cross-encoder", engine, "fp32") for engine in available_engines()),
    *(("cross-encoder", engine, "int8") for engine in available_engines()),
    ("cross-encoder", "auto", "auto"),
    ("bi-encoder", "auto", "fp32"),
    ("blend", "auto", "fp32"),
    *(("late-interaction", engine, "fp32") for engine in available_engines()),
    ("lexical", "", ""),
    ("token-bm25", "", ""),
    ("causal-lm", "torch", "fp32"),
    ("seq2seq", "torch", "fp32"),
    *((kind, "", "") for kind in sorted(PROVIDERS)),
]
NEEDS_TORCH: dict[str, tuple[Callable[[Path], Path], dict[str, str]]] = {
    "causal-lm": (save_qwen3, {"template": "qwen3"}),
    "seq2seq": (save_t5, {}),
}
# What a kind may lack here: nothing else is a reason to skip it.
MAY_LACK = dict.fromkeys(NEEDS_TORCH, "torch") | dict.fromkeys(PROVIDERS, "httpx2")


@pytest.fixture(scope="module", autouse=True)
def colbert(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A tiny late-interaction model, its graph in a cache of its own."""
    folder = tmp_path_factory.mktemp("colbert")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        yield write_colbert(folder / "model")


@pytest.fixture(scope="module")
def hosted() -> Iterator[Callable[[str], Scorer]]:
    """A scorer of a hosted kind with its server on this machine."""
    with ExitStack() as opened:

        def start(kind: str) -> Scorer:
            pytest.importorskip("httpx2")
            server = opened.enter_context(RerankServer(DIALECTS[PROVIDERS[kind].dialect]))
            name, options = ("m1", {"base_url": server.url}) if PROVIDERS[kind].base_url else (server.url, {})
            scorer = load_scorer(kind, name, api_key="k", **options)
            opened.callback(getattr(scorer, "close"))  # noqa: B009
            return scorer

        yield start


def made(kind: str, engine: str, precision: str, *, folder: Path, colbert: Path) -> Scorer:
    if kind == "late-interaction":
        return load_model(str(colbert), engine=engine, precision=precision)
    if kind in NEEDS_TORCH:
        pytest.importorskip("torch", reason="needs the extra 'torch'")
        save, options = NEEDS_TORCH[kind]
        return load_scorer(kind, str(save(folder)), engine=engine, precision=precision, **options)
    if kind == "lexical":
        return Lexical([document.text for document in DOCUMENTS])
    if kind == "token-bm25":
        return load_scorer(kind, "english-pieces")
    model = {"cross-encoder": CROSS_ENCODER, "bi-encoder": "all-minilm-l6-v2", "blend": "shortlist-l6"}[kind]
    return load_model(model, kind=kind, engine=engine, precision=precision)


@pytest.fixture(params=CASES, ids="-".join)
def scorer(request: pytest.FixtureRequest, tmp_path: Path, colbert: Path, hosted: Callable[[str], Scorer]) -> Scorer:
    kind, engine, precision = request.param
    try:
        if kind in PROVIDERS:
            return hosted(kind)
        return made(kind, engine, precision, folder=tmp_path, colbert=colbert)
    except pytest.skip.Exception as skipped:
        if kind not in MAY_LACK or find_spec(MAY_LACK[kind]) is not None:
            pytest.fail(f"{kind} must not be skipped: {skipped}")
        raise


def test_every_registered_kind_is_among_the_cases() -> None:
    assert {*scorer_kinds(), "blend"} == {kind for kind, _, _ in CASES}


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of transformers
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the quantiser of onnxruntime
def test_the_scorer_contract_holds(scorer: Scorer, request: pytest.FixtureRequest) -> None:
    # bf16 keeps eight bits, and shapes decide in which order they are added up: .005 was seen; in int8 what they move
    # may fall onto another byte
    is_int8 = "int8" in request.node.name
    is_bf16 = scorer.score(QUERY, DOCUMENTS[:1]).step.facts.get("precision") == "bf16"
    check_scorer(scorer, tolerance=0.02 if is_int8 or is_bf16 else 2e-3)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")  # of transformers
def test_a_scorer_makes_a_reranker(scorer: Scorer) -> None:
    check_reranker(Pointwise(Cached(scorer)))


class Counting:
    """A scorer that counts what it is asked, and scores by length."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fingerprint = "counting"

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        self.asked += [d.doc_id for d in documents]
        return Scores(np.asarray([len(d.text) for d in documents], np.float32), ScoreKind.LOGIT, Step("counting"))


def test_a_cached_pair_is_not_scored_again() -> None:
    counting = Counting()
    cached = Cached(counting)
    first = cached.score(QUERY, DOCUMENTS)
    again = cached.score(QUERY, DOCUMENTS[::-1])
    assert len(counting.asked) == len(DOCUMENTS) - 1  # one text is there twice
    assert np.array_equal(first.values, again.values[::-1])
    assert again.step.counts["cached"] == len(DOCUMENTS)


def test_the_cache_tells_scorers_queries_and_titles_apart() -> None:
    counting = Counting()
    cached = Cached(counting)
    cached.score(QUERY, [Document("a\nb", "1")])
    cached.score(Query("another"), [Document("a\nb", "2")])
    counting.fingerprint = "counting, changed"
    cached.score(QUERY, [Document("a\nb", "3")])
    assert counting.asked == ["1", "2", "3"]


def test_the_cache_forgets_what_was_used_longest_ago() -> None:
    counting = Counting()
    cached = Cached(counting, size=2)
    for text in ("a", "b", "a", "c", "a", "b"):
        cached.score(QUERY, [Document(text, text)])
    assert counting.asked == ["a", "b", "c", "b"]


@pytest.fixture(scope="module")
def cross_encoder() -> Iterator[CrossEncoder]:
    scorer = CrossEncoder.load(CROSS_ENCODER, precision="fp32")
    yield scorer
    scorer.close()


def test_truncation_is_counted_to_the_token(cross_encoder: CrossEncoder) -> None:
    scores = cross_encoder.score(QUERY, DOCUMENTS)
    cut = {t.doc_id: t for t in scores.step.truncations}
    assert set(cut) == {"long"}
    query_tokens = 9  # how tall is the e ##iff ##el tower ?
    assert cut["long"].seen == 512 - 3 - query_tokens
    assert cut["long"].total == 5000
    assert "read 500 of 5000 tokens" in " ".join(scores.step.degradations)


def test_a_long_query_leaves_room_for_the_document(cross_encoder: CrossEncoder) -> None:
    query = Query("how tall is the tower " * 300)
    scores = cross_encoder.score(query, DOCUMENTS)
    assert {t.doc_id for t in scores.step.truncations} == {"(query)", "long"}
    assert len(set(scores.values.tolist())) > 5


def test_the_answer_deep_in_a_long_document_is_found_by_passages() -> None:
    filler = "The weather was mild and the streets were quiet. " * 150
    buried = Document(filler + "The Eiffel Tower is 330 metres tall. " + filler, "buried")
    other = Document("The tower is painted in brown every seven years.", "other")
    by = {
        how: CrossEncoder.load(CROSS_ENCODER, precision="fp32", long_documents=how).score(QUERY, [buried, other]).values
        for how in ("head", "passages-max")
    }
    assert by["passages-max"][0] > by["passages-max"][1]
    assert by["passages-max"][0] > by["head"][0] + 1


def test_the_packaged_cross_encoder_reads_what_fits_in_short_passages_as_its_card_says() -> None:
    filler = "The weather was mild and the streets were quiet. " * 30
    buried = Document(filler + "The Eiffel Tower is 330 metres tall. " + filler, "buried")
    endless = Document(filler * 10, "endless")
    own, head = (
        CrossEncoder.load(CROSS_ENCODER, precision="fp32", long_documents=how).score(QUERY, [buried, endless])
        for how in (None, "head")
    )
    assert own.values[0] > head.values[0] + 1
    assert own.step.truncations == head.step.truncations
    assert head.step.counts["tokens"] < own.step.counts["tokens"] < 1.4 * head.step.counts["tokens"]


def test_stored_token_ids_give_the_same_scores_as_the_text(cross_encoder: CrossEncoder) -> None:
    encoder = BiEncoder.load("all-minilm-l6-v2")
    ids = encoder.tokenize([d.full_text for d in DOCUMENTS])
    stored = [replace(d, tokens=t) for d, t in zip(DOCUMENTS, ids, strict=True)]
    assert np.array_equal(cross_encoder.score(QUERY, stored).values, cross_encoder.score(QUERY, DOCUMENTS).values)
    # the ids are what is read, where the tokenizer is the same: another text changes nothing
    blanked = [replace(d, text="") for d in stored]
    assert np.array_equal(cross_encoder.score(QUERY, blanked).values, cross_encoder.score(QUERY, stored).values)
    foreign = [replace(d, tokens=replace(d.tokens, tokenizer="another")) for d in blanked]  # type: ignore[type-var]
    assert not np.array_equal(cross_encoder.score(QUERY, foreign).values, cross_encoder.score(QUERY, stored).values)


def test_ten_thousand_documents_are_scored_in_one_call(tmp_path: Path) -> None:
    documents = [Document(f"d{i}", str(i)) for i in range(10_000)]
    small = CrossEncoder.load(str(write_classifier(tmp_path)))
    assert small.score(Query("d7"), documents).values.shape == (10_000,)


@pytest.mark.parametrize("engine", available_engines())
def test_equal_texts_have_equal_scores_to_the_last_bit(engine: str) -> None:
    texts = [
        "330 metres tall",
        "made of iron",
        "330 metres tall",
        *(f"text {i} " * i for i in range(9)),
        "made of iron",
    ]
    blend = load_model("shortlist-l6", engine=engine)
    for count in range(3, 14):  # products of matrix and vector round by the row's place
        documents = [Document(text, str(place)) for place, text in enumerate([*texts[:count], *texts[:3]])]
        values = blend.score(QUERY, documents).values.tolist()
        by_text = {document.text: value for document, value in zip(documents, values, strict=True)}
        assert values == [by_text[document.text] for document in documents]


class Foreign:
    """A scorer of somebody else's, that gives what it is told to."""

    fingerprint = "foreign"

    def __init__(self, values: object) -> None:
        self.values = values

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        return Scores(cast(np.ndarray, self.values), ScoreKind.LOGIT, Step("foreign"))


COMPOSED: list[Callable[[Scorer], Reranker]] = [
    Pointwise,
    lambda scorer: Pointwise(Cached(scorer)),
    lambda scorer: Pointwise(Blend([(scorer, 1.0), (Lexical(), 0.0)])),
    lambda scorer: Budgeted([Level(scorer)]),
]


@pytest.mark.parametrize("composed", COMPOSED)
def test_numbers_of_any_type_are_scores_to_every_composition(composed: Callable[[Scorer], Reranker]) -> None:
    candidates = Ranking.in_order(QUERY, [Document("a", "a"), Document("b", "b")])
    for values in ([1, 2], (1.0, 2.0), np.array([1, 2], np.int8), np.array([1.0, 2.0])):
        assert composed(Foreign(values)).rerank(candidates, top_k=1).doc_ids == ("b",)
    for wrong in ([1.0], [1.0, 2.0, 3.0], [[1.0], [2.0]], 1.0, [1.0, 1e300]):
        with pytest.raises(ScoreError, match="foreign"):
            composed(Foreign(wrong)).rerank(candidates, top_k=1)


def test_a_blend_is_the_weighted_sum_of_its_parts(cross_encoder: CrossEncoder) -> None:
    cosine = Cosine.load("all-minilm-l6-v2", precision="fp32")
    blend = load_model("shortlist-l6", precision="fp32")
    words = TokenBM25.load().score(QUERY, DOCUMENTS).values
    expected = cross_encoder.score(QUERY, DOCUMENTS).values + np.float32(40) * cosine.score(QUERY, DOCUMENTS).values
    expected += np.float32(0.2) * words
    scores = blend.score(QUERY, DOCUMENTS)
    assert np.abs(scores.values - expected).max() < 1e-3
    counts = {name: count for name, count in scores.step.counts.items() if not name.endswith("_us")}
    # nine documents are short, and the first 500 tokens of "long" are five passages
    assert counts == {"documents": 10, "encoded": 10, "pairs": 14, "tokens": counts["tokens"]}
    # each part says what it did not read, and they read differently far
    assert {(t.doc_id, t.seen) for t in scores.step.truncations} == {("long", 500), ("long", 254)}


def test_stored_vectors_are_used_when_the_same_encoder_made_them() -> None:
    encoder = BiEncoder.load("all-minilm-l6-v2", precision="fp32")
    vectors = encoder.encode([d.full_text for d in DOCUMENTS], role=Role.DOCUMENT)
    cosine = Cosine(encoder)
    stored = [
        replace(d, vector=DocumentVector(encoder.fingerprint, v)) for d, v in zip(DOCUMENTS, vectors, strict=True)
    ]
    foreign = [replace(d, vector=DocumentVector("another", v * 0)) for d, v in zip(DOCUMENTS, vectors, strict=True)]
    expected = cosine.score(QUERY, DOCUMENTS)
    assert cosine.score(QUERY, stored).step.counts["encoded"] == 0
    assert cosine.score(QUERY, foreign).step.counts["encoded"] == len(DOCUMENTS)
    for documents in (stored, foreign):
        assert np.abs(cosine.score(QUERY, documents).values - expected.values).max() < 1e-5
