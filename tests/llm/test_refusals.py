"""Prompts that a server refuses, too long or otherwise: one passage never costs the others their place."""

from __future__ import annotations

from typing import Any

import pytest

from shortlist import Document, Query, Ranking
from shortlist.errors import GenerationError, PromptRefusedError, PromptTooLongError
from shortlist.passages.size import count_words
from shortlist.scorers.llm import PointwiseLLM
from shortlist.scorers.registry import reranker_kinds
from shortlist.testing.oracle import Oracle
from shortlist.types import Completion, Likelihood, Prompt

from .material import candidates, ideal, of, oracle

POINTWISE = ("llm-likelihood", "llm-pointwise")


class Narrow:
    """Answers as an oracle does prompts of at most `words` words, and refuses those that hold `bad`."""

    fingerprint = "narrow"

    def __init__(self, inner: Oracle, *, words: int = 10_000, bad: str = "\0") -> None:
        self._inner, self._words, self._bad = inner, words, bad
        self.refused = 0

    def generate(self, prompt: Prompt) -> Completion:
        self._check(prompt)
        return self._inner.generate(prompt)

    def log_likelihood(self, prompt: Prompt, continuation: str) -> Likelihood:
        self._check(prompt)
        return self._inner.log_likelihood(prompt, continuation)

    def _check(self, prompt: Prompt) -> None:
        text = " ".join(message.text for message in prompt.messages)
        self.refused += 1
        if self._bad in text:
            raise PromptRefusedError("narrow did not answer: this content is filtered")
        if count_words(text) > self._words:
            raise PromptTooLongError(f"narrow did not answer: {count_words(text)} words are too many")
        self.refused -= 1


def with_long_one(count: int, place: int, tail: str = " and so on" * 90) -> tuple[Ranking, dict[str, float]]:
    given, relevance = candidates(count)
    documents = list(given.documents)
    documents[place] = Document(documents[place].text + tail, documents[place].doc_id)
    return Ranking.in_order(given.query, documents), relevance


@pytest.mark.parametrize("kind", reranker_kinds())
@pytest.mark.parametrize("place", [0, 11])
def test_a_passage_that_is_too_long_for_the_context_is_cut_and_the_others_are_not(kind: str, place: int) -> None:
    given, relevance = with_long_one(20, place)
    narrow = Narrow(oracle(relevance), words=750 if kind == "llm-listwise" else 260)
    ranking = of(kind, narrow).rerank(given)
    assert list(ranking.doc_ids[:10]) == ideal(20)[:10]
    assert narrow.refused > 0
    step = ranking.trace.steps[-1]
    long = given.documents[place]
    assert [(cut.doc_id, cut.total) for cut in step.truncations] == [(long.doc_id, count_words(long.text))]
    assert 30 < step.truncations[0].seen < step.truncations[0].total
    assert f"1 passages cut to fit the model's context, to {step.truncations[0].seen} words" in step.degradations[0]
    assert not ranking.is_partial


@pytest.mark.parametrize("kind", reranker_kinds())
def test_a_passage_that_the_server_refuses_keeps_its_earlier_place_behind_what_was_read(kind: str) -> None:
    given, relevance = with_long_one(40 if kind == "llm-listwise" else 20, 0, " forbidden")
    ranking = of(kind, Narrow(oracle(relevance), bad="forbidden")).rerank(given)
    assert ranking.doc_ids != given.doc_ids
    assert sorted(ranking.doc_ids) == sorted(given.doc_ids)
    step = ranking.trace.steps[-1]
    assert any("prompts were refused, the first with: narrow did not answer" in note for note in step.degradations)
    if kind in POINTWISE:
        others = [doc_id for doc_id in ideal(20) if doc_id != given[0].doc_id]
        assert list(ranking.doc_ids) == [*others, given[0].doc_id]
        assert (ranking.unscored, ranking[-1].is_scored, step.counts["calls"]) == (1, False, 19)


@pytest.mark.parametrize("kind", POINTWISE)
def test_as_a_scorer_a_refused_passage_is_below_all_others_and_it_is_said(kind: str) -> None:
    given, relevance = with_long_one(5, 2, " forbidden")
    scorer = of(kind, Narrow(oracle(relevance), bad="forbidden"))
    assert isinstance(scorer, PointwiseLLM)
    scores = scorer.score(given.query, given.documents)
    assert scores.values.argmin() == 2
    assert scores.values[2] == pytest.approx(sorted(scores.values)[1] - 1)
    assert any("1 documents have no readable answer" in note for note in scores.step.degradations)


@pytest.mark.parametrize("kind", reranker_kinds())
@pytest.mark.parametrize("refusal", [{"words": 5}, {"bad": ""}])
def test_a_server_that_refuses_everything_is_an_error_soon(kind: str, refusal: dict[str, Any]) -> None:
    given, relevance = candidates(60)
    narrow = Narrow(oracle(relevance), **refusal)
    with pytest.raises(PromptRefusedError, match="narrow did not answer"):
        of(kind, narrow, concurrency=1).rerank(given)
    assert narrow.refused <= 8 * 4  # eight questions, each with ever shorter passages


def test_an_answer_that_says_nothing_of_a_passage_gives_it_no_score() -> None:
    """A neutral logit would lift a passage that confuses the model above every honest No."""

    class Confused:
        fingerprint = "confused"

        def generate(self, prompt: Prompt) -> Completion:
            text = prompt.messages[-1].text
            return Completion("", 9, 1) if "gibberish" in text else Oracle({}, "adversarial").generate(prompt)

    documents = [Document("gibberish", "x"), Document("doc-1", "a"), Document("doc-2", "b")]
    given = Ranking.in_order(Query("q"), documents)
    ranking = of("llm-pointwise", Confused()).rerank(given)
    assert ranking.doc_ids == ("a", "b", "x")
    assert "1 documents have no score" in " ".join(ranking.trace.degradations)
    assert ranking.trace.steps[-1].counts["unreadable_answers"] == 1


def test_a_server_that_goes_after_a_refusal_is_a_failure() -> None:
    class Leaving(Narrow):
        def _check(self, prompt: Prompt) -> None:
            super()._check(prompt)
            raise GenerationError("the server is gone")

    given, relevance = with_long_one(5, 0, " forbidden")
    with pytest.raises(GenerationError, match="the server is gone"):
        of("llm-pointwise", Leaving(oracle(relevance), bad="forbidden"), concurrency=1).rerank(given)
