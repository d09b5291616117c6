"""Served models by themselves: how much they let in, and who has whose turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from server.fakes import Overlap
from shortlist.build.models import load_model
from shortlist.protocols import Scorer
from shortlist.scorers.cached import Cached
from shortlist.scorers.licensed import Licensed
from shortlist.scorers.pointwise import Pointwise
from shortlist.server.faults import TooLargeError
from shortlist.server.models.asked import Ask, Cuts
from shortlist.server.models.queued import QueuedModel
from shortlist.server.models.whole import WholeModel
from shortlist.types import Document, Query, Ranking, Truncation

NOTE = "for research only"
WRAPPED: dict[str, Callable[[Scorer], Scorer]] = {
    "plain": lambda scorer: scorer,
    "cached": Cached,
    "licensed": lambda scorer: Licensed(scorer, NOTE),
    "both": lambda scorer: Cached(Licensed(scorer, NOTE)),
}


@pytest.fixture
def scorer() -> Scorer:
    return load_model("shortlist-minilm-l6")


def candidates(*texts: str) -> Ranking:
    return Ranking.in_order(Query("how tall"), [Document(text, str(place)) for place, text in enumerate(texts)])


def ranked_by(scorer: Scorer, *asks: Ask) -> list[Ranking]:
    async def ask() -> list[Ranking]:
        model = QueuedModel(scorer, remembered=0)
        found = [await model.rank(one) for one in asks]
        await model.close()
        return found

    return asyncio.run(ask())


@pytest.mark.parametrize("how", WRAPPED)
def test_a_wrapped_scorer_s_pairs_are_counted_by_its_own_tokenizer(scorer: Scorer, how: str) -> None:
    texts = candidates("antidisestablishmentarianism " * 4)  # estimated as 21 tokens
    with pytest.raises(TooLargeError, match=r"the pairs have 3\d tokens together, more than the 25 of a request"):
        ranked_by(WRAPPED[how](scorer), Ask(texts, max_tokens=25))


@pytest.mark.parametrize("how", WRAPPED)
def test_a_wrapped_scorer_reads_what_was_cut_as_asked_and_keeps_it_apart(scorer: Scorer, how: str) -> None:
    texts = candidates("it stands in Paris and is 330 metres tall", "a bridge")
    expected = Pointwise(scorer).rerank(texts)
    cut, whole = ranked_by(WRAPPED[how](scorer), Ask(texts, cuts=Cuts(document_tokens=3)), Ask(texts))
    assert [step.truncations for step in cut.trace.steps if step.truncations] == [(Truncation("0", 3, 9),)]
    assert [one.score for one in whole] == pytest.approx([one.score for one in expected], abs=0.05)
    assert not any(step.truncations for step in whole.trace.steps)
    assert abs(cut[0].score - whole[0].score) > 0.5


def test_a_model_of_whole_requests_keeps_the_limit_of_tokens_and_says_that_it_cuts_nothing() -> None:
    model = WholeModel(Pointwise(Overlap()))
    texts = candidates("tall " * 30)
    with pytest.raises(TooLargeError, match="more than the 20 of a request"):
        asyncio.run(model.rank(Ask(texts, max_tokens=20)))
    ranking = asyncio.run(model.rank(Ask(texts, cuts=Cuts(document_tokens=3))))
    assert any("not cut as asked" in note for note in ranking.trace.degradations)
