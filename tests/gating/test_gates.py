"""Gates see what can be seen before reranking, give reasons, and can be trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.build.gates import load_gate
from shortlist.errors import InputError
from shortlist.gating.features import Features, features_of, is_identifier
from shortlist.gating.logistic import Logged, LogisticGate, train_gate
from shortlist.gating.rules import Rules
from shortlist.pipeline import Pipeline
from shortlist.protocols import Gate
from shortlist.retrieval import reciprocal_rank_fusion
from shortlist.scorers.lexical import Lexical
from shortlist.scorers.pointwise import Pointwise
from shortlist.types import Decision, Document, Query, Ranking, ScoreKind

QUERY = Query("how tall is the tower?")


def found(scores: list[float], *, query: Query = QUERY, stage: str = "bm25", names: str = "abcdefghij") -> Ranking:
    documents = [Document("text", name) for name in names[: len(scores)]]
    return Ranking.from_scores(query, documents, scores, kind=ScoreKind.BM25, stage=stage)


def hybrid(first: str, second: str) -> Ranking:
    arms = [found(list(range(len(n), 0, -1)), stage=s, names=n) for s, n in (("bm25", first), ("dense", second))]
    return reciprocal_rank_fusion(arms)


@pytest.mark.parametrize(
    "word", ["max_length", "TypeError", "ERR-404", "a/b.py", "os.path", "print()", "user@host", "v1.2", "std::move"]
)
def test_names_in_code_codes_and_paths_are_identifiers(word: str) -> None:
    assert is_identifier(word)
    assert is_identifier(f'"{word}",')


@pytest.mark.parametrize("word", ["tower", "Tower?", "well-known", "2019", "isn't", "I", "naïve", "塔", "NASA", "10"])
def test_words_and_years_are_not(word: str) -> None:
    assert not is_identifier(word)


def test_margins_are_shares_of_the_range() -> None:
    features = features_of(found([10, 6, 5, 1, 0]), top_k=3)
    assert (features.words, features.candidates, features.identifier) == (5, 5, 0)
    assert (features.lead, features.edge) == (0.4, 0.4)
    assert (features.agreement, features.same_first) == (0.5, 0.5)
    assert features_of(found([1, 1, 1]), top_k=1).lead == 0
    assert features_of(found([]), top_k=5).edge == 0


def test_agreement_is_what_the_arms_first_ones_share() -> None:
    assert features_of(hybrid("abcd", "abdc"), top_k=2).agreement == 1
    apart = features_of(hybrid("abcd", "cdab"), top_k=2)
    assert (apart.agreement, apart.same_first) == (0, 0)
    assert features_of(hybrid("abcd", "acbd"), top_k=2).agreement == 0.5


@given(st.lists(st.floats(-100, 100), max_size=10), st.integers(1, 20))
def test_features_stay_in_their_ranges(scores: list[float], top_k: int) -> None:
    row = features_of(found(scores), top_k=top_k).row()
    assert all(0 <= value <= 1 + 1e-9 for value in row[2:])


def test_rules_skip_where_order_cannot_matter_and_say_why() -> None:
    rules, wide = Rules(), list(np.linspace(10, 1, 10))

    def reason(candidates: Ranking, top_k: int) -> str:
        decision = rules.decide(candidates, top_k=top_k)
        return "" if decision.is_worth_it else decision.reason

    assert reason(found(wide), 3) == ""
    assert reason(found([1.0]), 5) == "1 candidates have no order to change"
    assert reason(found(wide), 10) == "all 10 candidates go on anyway (top_k=10)"
    many = Ranking.in_order(QUERY, [Document("", str(i)) for i in range(50)])
    assert reason(many, 30) == "30 passages go on, where their order matters little (from 30)"
    assert reason(found(wide, query=Query("TypeError max_length why")), 3).startswith("67% of the query's words")
    assert isinstance(rules, Gate)


def test_rules_skip_a_clear_case() -> None:
    arms = [found([10, 2, 1.5, 1], stage=s, names=n) for s, n in (("bm25", "abcd"), ("dense", "acbd"))]
    fused = reciprocal_rank_fusion(arms, k=0)
    assert Rules().decide(fused, top_k=2).reason.startswith("both arms agree on the first")
    assert Rules(lead=0.9).decide(fused, top_k=2).is_worth_it


def logged(count: int, *, seed: int = 0) -> list[Logged]:
    """Rerankings that were worth it the more often, the smaller the lead was."""
    rng = np.random.default_rng(seed)
    leads = rng.random(count)
    chances = 1 / (1 + np.exp(-(3 - 8 * leads)))
    return [
        Logged(Features(5, 50, 0, float(lead), 0.1, 0.5, 0.5), bool(rng.random() < chance))
        for lead, chance in zip(leads, chances, strict=True)
    ]


def test_a_trained_gate_finds_what_decided_and_is_calibrated() -> None:
    gate = train_gate(logged(2000))
    for lead in (0.1, 0.4, 0.8):
        expected = 1 / (1 + np.exp(-(3 - 8 * lead)))
        assert gate.chance(Features(5, 50, 0, lead, 0.1, 0.5, 0.5)) == pytest.approx(expected, abs=0.06)
    assert gate.error.value < 0.06
    assert gate.error.low <= gate.error.value <= gate.error.high
    assert gate.queries == 2000


def test_a_feature_that_never_moved_decides_nothing() -> None:
    rows = [Logged(replace(one.features, agreement=0.1), one.was_worth_it) for one in logged(21)]
    gate = train_gate(rows)
    seen = replace(rows[0].features, lead=0.3)
    assert gate.chance(replace(seen, agreement=0.9)) == pytest.approx(gate.chance(seen), abs=1e-6)


def test_a_trained_gate_decides_by_its_threshold() -> None:
    gate = train_gate(logged(500), threshold=0.3)
    close, clear = found([1.0, 0.99, 0.2, 0.0]), found([1.0, 0.1, 0.05, 0.0])
    assert gate.decide(close, top_k=2).is_worth_it
    decision = gate.decide(clear, top_k=2)
    assert not decision.is_worth_it
    assert decision.chance is not None
    assert decision.chance < 0.3
    assert decision.reason == f"worth it with a probability of {decision.chance:.2f}, below 0.3"
    assert not gate.decide(found([1.0]), top_k=2).is_worth_it


def test_a_gate_comes_back_from_its_file(tmp_path: Path) -> None:
    gate = train_gate(logged(100))
    gate.save(tmp_path / "gate.json")
    assert load_gate(str(tmp_path / "gate.json")) == gate == LogisticGate.load(tmp_path / "gate.json")
    assert load_gate("rules") == Rules()
    with pytest.raises(InputError, match="neither 'rules' nor the file"):
        load_gate("nothing")
    text = (tmp_path / "gate.json").read_text().replace("edge", "hedge")
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(InputError, match="its features are not"):
        load_gate(str(tmp_path / "other.json"))


def test_too_little_to_train_on_is_said() -> None:
    with pytest.raises(InputError, match="3 logged rerankings are too few"):
        train_gate(logged(3))
    with pytest.raises(InputError, match="labels say the same"):
        train_gate([Logged(one.features, True) for one in logged(50)])
    with pytest.raises(InputError, match="49 of 50 logged rerankings were worth it: one kind is too rare"):
        train_gate([Logged(one.features, place > 0) for place, one in enumerate(logged(50))])
    with pytest.raises(InputError, match="must be a probability"):
        train_gate(logged(50), threshold=2)


class Always:
    """A gate of one mind."""

    def __init__(self, is_worth_it: bool) -> None:
        self.is_worth_it = is_worth_it

    def decide(self, candidates: Ranking, *, top_k: int) -> Decision:
        return Decision(self.is_worth_it, f"of one mind about {len(candidates)} and {top_k}", 0.25)


class Fixed:
    """A retriever that finds the same for every query."""

    def retrieve(self, query: Query, *, depth: int) -> Ranking:
        return Ranking.in_order(query, [Document(t, t) for t in ("iron", "tall tower", "tall")][:depth], stage="fixed")


def test_a_pipeline_asks_its_gate_and_writes_down_what_it_said() -> None:
    skipped = Pipeline(Fixed(), Pointwise(Lexical()), gate=Always(False)).search("tall", top_k=2)
    assert skipped.doc_ids == ("iron", "tall tower")
    (step,) = skipped.trace.steps
    assert dict(step.facts) == {"decision": "skip", "reason": "of one mind about 3 and 2", "chance": "0.250"}
    assert skipped.trace.degradations == ("gate: not reranked: of one mind about 3 and 2",)
    reranked = Pipeline(Fixed(), Pointwise(Lexical()), gate=Always(True)).search("tall", top_k=2)
    assert reranked.doc_ids == ("tall", "tall tower")
    assert [step.stage for step in reranked.trace.steps] == ["gate", "lexical"]
    assert reranked.trace.degradations == ()


class Raises:
    """A gate with a defect."""

    def decide(self, candidates: Ranking, *, top_k: int) -> Decision:
        raise ZeroDivisionError("division by zero")


class Says:
    """A gate that decides whatever it is told to."""

    def __init__(self, decision: Any) -> None:
        self._decision = decision

    def decide(self, candidates: Ranking, *, top_k: int) -> Decision:
        decided: Decision = self._decision
        return decided


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        (Raises(), "ZeroDivisionError: division by zero"),
        (Says(None), "it gave None, which is no Decision"),
        (Says(False), "it gave False, which is no Decision"),
        (Says(Decision(None, "?")), "is_worth_it must be true or false, not None"),  # type: ignore[arg-type]
        (Says(Decision(False, 7)), "reason must be a text, not 7"),  # type: ignore[arg-type]
        (Says(Decision(False, "no", float("nan"))), "chance must be within 0..1, not nan"),
        (Says(Decision(False, "no", 1.5)), "chance must be within 0..1, not 1.5"),
        (Says(Decision(False, "no", "high")), "chance must be within 0..1, not 'high'"),  # type: ignore[arg-type]
    ],
)
def test_a_gate_that_fails_fails_no_search_and_is_reported(gate: Gate, said: str) -> None:
    ranking = Pipeline(Fixed(), Pointwise(Lexical()), gate=gate).search("tall", top_k=2)
    assert ranking.doc_ids == ("tall", "tall tower")
    step = ranking.trace.steps[0]
    assert (step.stage, step.facts["decision"]) == ("gate", "rerank")
    assert step.degradations == (f"the gate failed, so the candidates were reranked: {said}",)


def test_a_gate_may_decide_in_numpy_s_terms() -> None:
    gate = Says(Decision(np.bool_(False), "no", np.float32(0.25)))  # type: ignore[arg-type]
    step = Pipeline(Fixed(), Pointwise(Lexical()), gate=gate).search("tall", top_k=2).trace.steps[0]
    assert (step.facts["decision"], step.facts["chance"]) == ("skip", "0.250")
