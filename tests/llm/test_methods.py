"""Each method, asked of an oracle: a perfect one gives the perfect order with the calls that the paper states."""

from __future__ import annotations

import math
from typing import Any

import pytest

from shortlist.protocols import Reranker
from shortlist.scorers.llm import LLMReranker, PointwiseLLM
from shortlist.scorers.registry import load_reranker
from shortlist.types import Completion, Prompt, Ranking, ScoreKind, TokenLogprobs

from .material import Scripted, candidates, ideal, oracle

CASES: list[tuple[str, dict[str, Any], int]] = [  # kind, options, how many are right at the front of 30
    ("llm-listwise", {}, 10),
    ("llm-listwise", {"prompt": "rankzephyr", "passes": 2}, 20),
    ("llm-listwise", {"prompt": "first"}, 10),
    ("llm-listwise", {"windows": "top-down"}, 10),
    ("llm-listwise", {"windows": "tournament"}, 10),
    ("llm-listwise", {"window": 4, "step": 2, "passes": 15}, 30),
    ("llm-pairwise", {"sort": "all-pairs"}, 30),
    ("llm-pairwise", {"sort": "heap"}, 10),
    ("llm-pairwise", {"sort": "heap", "top": 30, "choice": "logprobs"}, 30),
    ("llm-pairwise", {"sort": "sliding"}, 10),
    ("llm-setwise", {}, 10),
    ("llm-setwise", {"children": 9, "choice": "logprobs"}, 10),
    ("llm-pointwise", {}, 30),
    ("llm-pointwise", {"judge": "graded"}, 30),
    ("llm-likelihood", {}, 30),
]


def calls(ranking: Ranking) -> int:
    return ranking.trace.steps[-1].counts["calls"]


@pytest.mark.parametrize(("kind", "options", "right"), CASES, ids=lambda value: str(value))
def test_a_perfect_comparator_gives_the_perfect_order(kind: str, options: dict[str, Any], right: int) -> None:
    given, relevance = candidates(30)
    reranker = load_reranker(kind, oracle(relevance), **options)
    ranking = reranker.rerank(given)
    assert list(ranking.doc_ids[:right]) == ideal(30)[:right]
    step = ranking.trace.steps[-1]
    assert 0 < step.counts["calls"] <= step.counts["calls_at_most"]
    assert step.counts["prompt_tokens"] > 100
    assert step.degradations == ()
    assert list(reranker.rerank(given, top_k=5).doc_ids) == ideal(30)[:5]


@pytest.mark.parametrize(("kind", "options", "right"), CASES, ids=lambda value: str(value))
@pytest.mark.parametrize("temper", ["noisy", "adversarial", "garbled"])
def test_no_answer_loses_a_document(kind: str, options: dict[str, Any], right: int, temper: Any) -> None:
    given, relevance = candidates(30)
    ranking = load_reranker(kind, oracle(relevance, temper), **options).rerank(given)
    assert sorted(ranking.doc_ids) == sorted(given.doc_ids)
    repaired = any("repaired" in note for note in ranking.trace.degradations)
    assert repaired == (temper == "garbled" and kind != "llm-likelihood")


@pytest.mark.parametrize("count", [1, 5, 20, 21, 25, 100])
def test_sliding_windows_take_the_calls_of_rankgpt(count: int) -> None:
    given, relevance = candidates(count)
    ranking = load_reranker("llm-listwise", oracle(relevance)).rerank(given)
    expected = 0 if count == 1 else max(0, math.ceil((count - 20) / 10)) + 1
    assert calls(ranking) == expected
    assert list(ranking.doc_ids[:10]) == ideal(count)[:10]


def test_the_calls_are_those_of_the_papers() -> None:
    given, relevance = candidates(20)
    model = oracle(relevance)
    assert calls(load_reranker("llm-pairwise", model, sort="all-pairs").rerank(given)) == 20 * 19
    sliding = load_reranker("llm-pairwise", model, sort="sliding", top=3).rerank(given)
    assert calls(sliding) == 2 * (19 + 18 + 17)
    for kind in ("llm-pointwise", "llm-likelihood"):
        assert calls(load_reranker(kind, model).rerank(given)) == 20
    heap = calls(load_reranker("llm-pairwise", model, sort="heap", top=10).rerank(given))
    assert heap <= 4 * (20 + 10 * math.log2(20))  # O(n + k log n) comparisons of two, each asked twice
    setwise = [calls(load_reranker("llm-setwise", model, children=c).rerank(given)) for c in (2, 9)]
    assert setwise[1] < setwise[0] < heap <= 4 * setwise[0]


def test_the_pointwise_kinds_are_scorers_with_scores_of_their_kind() -> None:
    given, relevance = candidates(6)
    kinds = {
        "llm-pointwise": ScoreKind.LOGIT,
        "llm-likelihood": ScoreKind.LOG_LIKELIHOOD,
    }
    for kind, expected in kinds.items():
        scorer = load_reranker(kind, oracle(relevance))
        assert isinstance(scorer, PointwiseLLM)
        scores = scorer.score(given.query, given.documents)
        assert scores.kind is expected
        assert Ranking.from_scores(
            given.query, given.documents, scores.values, kind=scores.kind, stage="s"
        ).doc_ids == tuple(ideal(6))


def test_an_expected_grade_is_between_the_worst_and_the_best() -> None:
    given, relevance = candidates(6)
    ranking = load_reranker("llm-pointwise", oracle(relevance), judge="graded").rerank(given)
    assert all(0 < item.score < 4 for item in ranking)
    assert ranking.score_kind is ScoreKind.EXPECTED_GRADE


@pytest.mark.parametrize("judge", ["graded", "yes-no"])
def test_labels_without_a_probability_are_no_score_and_no_error(judge: str) -> None:
    least = -math.inf if judge == "yes-no" else -9999.0
    token = TokenLogprobs("I", {"I": 0.0, "3": least, "Yes": least, "No": least})

    class Hopeless:
        fingerprint = "hopeless"

        def generate(self, prompt: Prompt) -> Completion:
            return Completion("I", 10, 1, logprobs=(token,))

    given, _ = candidates(3)
    ranking = load_reranker("llm-pointwise", Hopeless(), judge=judge).rerank(given)
    assert ranking.doc_ids == given.doc_ids
    assert ranking.trace.degradations


@pytest.mark.parametrize(
    ("positions", "logit"),
    [
        (({"Yes": -0.7, "It": -1.0, "Maybe": -4.0}, {",": -0.1, "!": -25.0}), 3.3),  # no "No" where "Yes" stands
        (({'"': -0.1, "!": -25.0}, {"No": -0.7, "It": -1.0, "Maybe": -4.0}), -3.3),
    ],
)
def test_an_answer_that_is_no_candidate_is_as_likely_as_the_least_one_beside_the_other(
    positions: tuple[dict[str, float], ...], logit: float
) -> None:
    class Lonely:
        fingerprint = "lonely"

        def generate(self, prompt: Prompt) -> Completion:
            tokens = tuple(TokenLogprobs(next(iter(candidates)), candidates) for candidates in positions)
            return Completion("".join(token.token for token in tokens), 10, 2, logprobs=tokens)

    given, _ = candidates(1)
    assert load_reranker("llm-pointwise", Lonely()).rerank(given)[0].score == pytest.approx(logit)


def test_a_pair_that_is_answered_by_its_place_is_a_tie() -> None:
    """A model that always says "A" prefers nothing, and the earlier order stands."""
    given, _ = candidates(8)
    for sort in ("all-pairs", "heap", "sliding"):
        assert load_reranker("llm-pairwise", Scripted("Passage A"), sort=sort).rerank(given).doc_ids == given.doc_ids


@pytest.mark.parametrize(
    ("kind", "options", "reason"),
    [
        ("llm-listwise", {"prompt": "rankgtp"}, "prompt must be one of rankgpt"),
        ("llm-listwise", {"window": 10, "step": 10}, "step from 1 to window - 1"),
        ("llm-listwise", {"prompt": "first", "window": 30, "step": 5}, "20 passages in a window"),
        ("llm-pairwise", {"sort": "quick"}, "sort must be one of"),
        ("llm-pairwise", {"choice": "mood"}, "text or its logprobs"),
        ("llm-setwise", {"children": 1}, "children must be from 2"),
        ("llm-pointwise", {"judge": "stars"}, "judge must be one of"),
        ("llm-listwise", {"permutations": 0}, "permutations must be 1 or more"),
        ("llm-listwise", {"server": "http://x/v1"}, "only for a model that is named"),
    ],
)
def test_an_option_that_cannot_be_is_refused(kind: str, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        load_reranker(kind, oracle({}), **options)


def test_every_kind_gives_a_reranker_with_an_estimate() -> None:
    given, relevance = candidates(4)
    for kind, options, _ in CASES:
        reranker = load_reranker(kind, oracle(relevance), **options)
        assert isinstance(reranker, Reranker)
        assert isinstance(reranker, LLMReranker | PointwiseLLM)
        assert reranker.estimate(given).calls >= calls(reranker.rerank(given))
