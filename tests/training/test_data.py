"""Where training pairs come from, what is left out, and who teaches: without torch."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.protocols import Role, Vectors
from shortlist.training.augment import vary
from shortlist.training.cloze import cloze_pairs
from shortlist.training.code_pairs import code_pairs
from shortlist.training.ensemble import Weights, fit, heard, taught
from shortlist.training.groups import Group, read_groups, write_groups
from shortlist.training.leakage import Seen
from shortlist.training.packaged import DRAWN, FAMILIES, by_ensemble, drawn

PASSAGE = (
    "The tower was built by a French engineer. It stood as the tallest building of the whole world for forty years. "
    "Visitors climb it by stairs or by lift on most days. Its iron is painted again every seven years by hand."
)


def groups(informative: str) -> list[Group]:
    """Groups whose positive only one of the two teachers knows."""
    rng = np.random.default_rng(0)
    made = []
    for _ in range(200):
        cosine, lexical = rng.normal(0.3, 0.1, 5), rng.uniform(0, 10, 5)
        (cosine if informative == "cosine" else lexical)[0] += 0.3 if informative == "cosine" else 8
        made.append(Group("q", tuple("abcde"), tuple(cosine.tolist()), "s", tuple(lexical.tolist())))
    return made


def test_the_ensemble_listens_to_the_teacher_that_knows() -> None:
    dense, lexical = fit(groups("cosine")), fit(groups("lexical"))
    assert dense.cosine > 10
    assert dense.lexical < 0.15
    assert lexical.cosine < 5
    assert lexical.lexical > 0.3


def test_the_fit_is_where_no_small_step_raises_the_likelihood() -> None:
    made = groups("cosine")

    def likelihood(weights: Weights) -> float:
        logits = np.asarray([g.teacher for g in taught(made, weights)])
        return float((logits[:, 0] - np.log(np.exp(logits).sum(1))).mean())

    best = fit(made)
    for step in (0.97, 1.03):
        assert likelihood(Weights(best.cosine * step, best.lexical)) <= likelihood(best) + 1e-4


def test_taught_groups_carry_the_sum_of_both_teachers() -> None:
    group = Group("q", ("a", "b"), (0.5, 0.25), "s", (2.0, 4.0))
    assert taught([group], Weights(20, 0.5))[0].teacher == (11.0, 7.0)


class Counted:
    """An encoder of letters: a text's vector says how often it holds `a`, and that it is `b`'s the less."""

    fingerprint, dimension = "letters", 2

    def __init__(self) -> None:
        self.seen: list[tuple[str, Role]] = []

    def encode(self, texts: Sequence[str], *, role: Role) -> Vectors:
        self.seen += [(text, role) for text in texts]
        vectors = np.asarray([[text.count("a") + 0.01, text.count("b")] for text in texts], np.float32)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def test_a_further_encoder_reads_each_passage_once_and_is_heard_where_it_knows() -> None:
    rng, encoder = np.random.default_rng(1), Counted()
    made = [
        Group("a", ("aaa", "bb", "b", "ab"), tuple(rng.normal(0.3, 0.1, 4)), "s", tuple(rng.uniform(0, 10, 4)))
        for _ in range(100)
    ]
    asked = heard(made, [encoder])
    assert len([1 for _, role in encoder.seen if role is Role.DOCUMENT]) == 4
    assert asked[0].others[0] == pytest.approx((1, 0.01, 0.01, 0.71), abs=0.02)
    weights = fit(asked)
    assert weights.others[0] > 5 * weights.cosine
    assert all(np.asarray(group.teacher, float).argmax() == 0 for group in taught(asked, weights))


def test_groups_keep_what_further_teachers_said(tmp_path: Path) -> None:
    group = Group("q", ("a", "b"), (0.5, 0.25), "s", (2.0, 4.0), others=((0.1, 0.2), (0.3, 0.4)))
    assert write_groups([group], tmp_path / "groups.jsonl.gz") == 1
    assert list(read_groups(tmp_path / "groups.jsonl.gz")) == [group]


def test_of_each_source_so_many_groups_are_drawn_and_each_family_has_a_teacher_of_its_own() -> None:
    rng = np.random.default_rng(2)
    everything = [
        Group(f"{source} {i}", ("p", "n"), (0.4, float(rng.normal(0.3, 0.1))), source, (1.0, 0.0))
        for source in DRAWN
        for i in range(120)
    ]
    chosen = drawn(everything)
    counts = Counter(group.source for group in chosen)
    assert counts == {source: min(120, wanted) for source, wanted in DRAWN.items()}
    told: list[str] = []
    assert len(list(by_ensemble(chosen, tell=told.append))) == len(chosen)
    assert len(told) == len(FAMILIES) + 1


def test_a_query_leaks_whatever_its_case_and_punctuation() -> None:
    seen = Seen(["How tall is the tower?"], [])
    assert seen.query("how tall is THE tower")
    assert not seen.query("how tall is a tower")


def test_a_passage_leaks_when_a_good_part_of_it_stands_in_an_evaluation() -> None:
    seen = Seen([], [PASSAGE])
    words = PASSAGE.split()
    assert seen.passage(" ".join(words[:20]))
    assert seen.passage("Something of its own before it. " + " ".join(words[5:30]))
    assert not seen.passage(" ".join(random.Random(0).sample(words, len(words))))
    assert not seen.passage("")


@given(st.text(min_size=1), st.integers(0, 50))
def test_a_varied_query_is_never_empty_and_adds_no_words(query: str, seed: int) -> None:
    varied = vary(query, random.Random(seed), keywords=0.5, typos=0.5)
    assert varied
    assert len(varied.split()) <= max(1, len(query.split()))


@pytest.mark.parametrize("seed", range(5))
def test_keywords_keep_the_content_and_leave_the_rest_out(seed: int) -> None:
    varied = vary("what is the height of the tower?", random.Random(seed), keywords=1, typos=0)
    assert varied.rstrip("?") == "height tower"


def test_a_cloze_question_is_a_sentence_of_its_passage_and_mostly_taken_out() -> None:
    pairs = list(cloze_pairs([PASSAGE] * 60, "made", count=50, seed=0))
    assert len(pairs) == 50
    assert all(pair.query in PASSAGE for pair in pairs)
    left = [pair for pair in pairs if pair.query in pair.passage]
    assert 0 < len(left) < 15


def test_passages_without_enough_sentences_ask_nothing() -> None:
    assert (
        list(
            cloze_pairs(["One sentence only, however long it may be, has nothing left to find."], "m", count=9, seed=0)
        )
        == []
    )


def test_functions_answer_their_docstrings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "madeup"
    package.mkdir()
    (package / "__init__.py").write_text(
        'def area(radius):\n    """Return the area of a circle.\n\n    The radius is in metres.\n    """\n'
        "    return 3.14159265358979 * radius ** 2  # by hand\n\n\ndef bare():\n    return 1\n"
    )
    (package / "broken.py").write_text("def (:\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    (pair,) = code_pairs(["madeup"], count=5, characters=500, seed=0)
    assert "area of a circle" in pair.query.lower()
    assert "Return the area" not in pair.passage
    assert pair.passage.startswith("def area(radius):")
    assert "3.14159265358979 * radius" in pair.passage


def test_a_package_that_is_not_there_is_named() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        code_pairs(["no_such_package"], count=1, characters=100, seed=0)
