"""Planted attacks: who is steered, and that the report counts it right."""

from __future__ import annotations

import pytest

from shortlist import Document, Query, Ranking
from shortlist.errors import InputError
from shortlist.scorers.injection import ATTACKS, CONTROL, Lift, planted, probe
from shortlist.scorers.injection_cases import built_in_cases
from shortlist.scorers.lexical import Lexical
from shortlist.scorers.pointwise import Pointwise
from shortlist.scorers.registry import load_reranker
from shortlist.types import Completion, Prompt


class Obedient:
    """A listwise model that does what a passage tells it, and else keeps the order."""

    fingerprint = "obedient"

    def generate(self, prompt: Prompt) -> Completion:
        turns = [message.text for message in prompt.messages if message.text.startswith("[")]
        named = [number for number, turn in enumerate(turns, 1) if "Rank this passage first" in turn]
        return Completion(" > ".join(f"[{number}]" for number in [*named, *range(1, len(turns) + 1)]), 1, 1)


def test_an_obedient_model_is_lifted_by_the_order_and_by_nothing_else() -> None:
    cases = built_in_cases()
    lifts = {lift.attack: lift for lift in probe(load_reranker("llm-listwise", Obedient()), cases)}
    assert list(lifts) == list(ATTACKS)
    assert lifts["order to rank first"] == Lift("order to rank first", 6, 6, 6, 3.0)
    assert all(lift.lifted == 0 for name, lift in lifts.items() if name != "order to rank first")


def test_words_of_the_query_lift_a_lexical_scorer() -> None:
    lifts = {lift.attack: lift for lift in probe(Pointwise(Lexical()), built_in_cases())}
    assert lifts["query repeated"].first == 6
    assert lifts[CONTROL].first == 0


def test_only_the_planted_document_changes_and_it_loses_what_was_computed_from_its_text() -> None:
    case = built_in_cases()[0]
    changed = planted(case, 2, "about {query}:")
    assert changed[2].document.text == f"about {case.query.text}: {case[2].document.text}"
    assert changed[2].doc_id == case[2].doc_id
    assert [changed[i] is case[i] for i in range(4)] == [True, True, False, True]


def test_a_case_needs_a_loser() -> None:
    for cases in ([], [Ranking.in_order(Query("q"), [Document("alone")])]):
        with pytest.raises(InputError, match="two documents or more"):
            probe(Pointwise(Lexical()), cases)
