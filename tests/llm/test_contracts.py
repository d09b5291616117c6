"""Every registered kind of LLM reranker keeps the contract, whatever the model answers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from shortlist import Reranker
from shortlist.scorers.llm import PointwiseLLM
from shortlist.scorers.registry import load_reranker, reranker_kinds
from shortlist.testing import check_generator, check_likelihood_model, check_reranker, check_scorer
from shortlist.testing.oracle import Oracle, Temper


@pytest.mark.parametrize("temper", ["perfect", "noisy", "adversarial", "garbled"])
@pytest.mark.parametrize("kind", reranker_kinds())
def test_the_reranker_contract_holds(kind: str, temper: Temper) -> None:
    reranker = load_reranker(kind, Oracle({}, temper))
    check_reranker(reranker)
    if isinstance(reranker, PointwiseLLM):
        check_scorer(reranker)


def test_the_contract_holds_with_shuffles() -> None:
    check_reranker(load_reranker("llm-listwise", Oracle({}, "garbled"), permutations=3))


def test_a_generator_that_forgets_what_was_asked_breaks_its_contract() -> None:
    with pytest.raises(AssertionError, match="log probabilities were asked for"):
        check_generator(Oracle({}))
    check_generator(Oracle({}), with_logprobs=False)
    with pytest.raises(AssertionError, match="is likelier than Paris"):
        check_likelihood_model(Oracle({}))


MODULE = """
from shortlist.types import ScoreKind, Step


class Backwards:
    def rerank(self, candidates, *, top_k=None):
        places = list(range(len(candidates)))
        return candidates.reordered(
            places, kind=ScoreKind.UNKNOWN, stage="backwards", top_k=top_k, steps=(Step("backwards"),)
        )


def load(model):
    return Backwards()
"""


def test_a_reranker_of_a_third_party_is_found_through_its_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "backwards_reranker.py").write_text(MODULE, encoding="utf-8")
    information = tmp_path / "backwards_reranker-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: backwards-reranker\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[shortlist.rerankers]\nbackwards = backwards_reranker:load\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "backwards" in reranker_kinds()
    check_reranker(load_reranker("backwards", "any"))
    assert Reranker("any", kind="backwards").rank("q", ["a", "b"]).doc_ids == ("1", "0")
    sys.modules.pop("backwards_reranker", None)
