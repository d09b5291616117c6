"""Whatever a model answers, the order is a permutation, and every repair is counted."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.scorers.llm import parsing
from shortlist.scorers.llm.parsing import parse_label, parse_order

from .material import is_permutation

IDENTITY = [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("answer", "expected", "repairs"),
    [
        ("[2] > [1] > [5] > [4] > [3]", [2, 1, 5, 4, 3], {}),
        ("[2]>[1]>[5]>[4]>[3].", [2, 1, 5, 4, 3], {}),
        ("Here is the order of the 5 passages: [2] > [1]", [2, 1, 3, 4, 5], {parsing.MISSING: 3}),
        ("[2, 1, 5, 4, 3]", [2, 1, 5, 4, 3], {}),
        ("[Passage 2] > [Passage 1]", [2, 1, 3, 4, 5], {parsing.MISSING: 3}),
        ("[5-2] > [1]", [5, 4, 3, 2, 1], {parsing.RANGES: 1}),
        ("[2] > [2] > [1]", [2, 1, 3, 4, 5], {parsing.DUPLICATES: 1, parsing.MISSING: 3}),
        ("[9] > [0] > [3]", [3, 1, 2, 4, 5], {parsing.OUT_OF_RANGE: 2, parsing.MISSING: 4}),
        ("[1-99] > [3]", [1, 3, 2, 4, 5], {parsing.OUT_OF_RANGE: 1, parsing.MISSING: 3}),
        ("5 > 4 > 3 > 2 > 1", [5, 4, 3, 2, 1], {parsing.BARE_NUMBERS: 1}),
        ("Passage 3, Passage 1", [3, 1, 2, 4, 5], {parsing.BARE_NUMBERS: 1, parsing.MISSING: 3}),
        ("1. Passage 3\n2. Passage 1\n3. Passage 5", [3, 1, 5, 2, 4], {parsing.BARE_NUMBERS: 1, parsing.MISSING: 2}),
        ("In order:\n\n 1) 3\n 2) 1\n\nSo it is.", [3, 1, 2, 4, 5], {parsing.BARE_NUMBERS: 1, parsing.MISSING: 3}),
        ("1. Passage 3", [3, 1, 2, 4, 5], {parsing.BARE_NUMBERS: 1, parsing.MISSING: 4}),
        ("1. [3]\n2. [1]", [3, 1, 2, 4, 5], {parsing.MISSING: 3}),
        ("4", [4, 1, 2, 3, 5], {parsing.BARE_NUMBERS: 1, parsing.MISSING: 4}),
        ("<think>[1] beats [4]</think>[3] > [2]", [3, 2, 1, 4, 5], {parsing.REASONING: 1, parsing.MISSING: 3}),
        ("<think>[4] > [3] is", IDENTITY, {parsing.REASONING: 1, parsing.UNREADABLE: 1}),
        ("［３］ ＞ ［１］", [3, 1, 2, 4, 5], {parsing.FOREIGN_DIGITS: 1, parsing.MISSING: 3}),
        ("[²] > [①] > [٣]", [2, 1, 3, 4, 5], {parsing.FOREIGN_DIGITS: 1, parsing.MISSING: 2}),
        ("I'm sorry, I cannot rank these 5 passages.", IDENTITY, {parsing.UNREADABLE: 1}),
        ("There are 4 good ones among 5.", IDENTITY, {parsing.UNREADABLE: 1}),
        ("", IDENTITY, {parsing.UNREADABLE: 1}),
        ("[" + "9" * 5000 + "]", IDENTITY, {parsing.OUT_OF_RANGE: 1, parsing.UNREADABLE: 1}),
        (
            "[1] and [2] are off topic, so: [4] > [3] > [1]",
            [4, 3, 1, 2, 5],
            {parsing.DUPLICATES: 1, parsing.MISSING: 1},
        ),
        ("[4] > [3]\n\n[4] names it, [1] does not.", [4, 3, 1, 2, 5], {parsing.DUPLICATES: 1, parsing.MISSING: 2}),
        ("[3] = [1] > [2] > [5]", [3, 1, 2, 5, 4], {parsing.MISSING: 1}),
        ("[3] >> [1] > [2] >= [5]", [3, 1, 2, 5, 4], {parsing.MISSING: 1}),
        ("**[3]** > [1] > [2]", [3, 1, 2, 4, 5], {parsing.MISSING: 2}),
        ("1: 3\n2: 1\n3: 2", [3, 1, 2, 4, 5], {parsing.BARE_NUMBERS: 1, parsing.MISSING: 2}),
        ("[" * 20_000, IDENTITY, {parsing.UNREADABLE: 1}),
        ("[1] > [2] > ... > [5]", [1, 2, 5, 3, 4], {parsing.MISSING: 2}),
    ],
)
def test_answers_that_models_give_are_read(answer: str, expected: list[int], repairs: dict[str, int]) -> None:
    parsed = parse_order(answer, 5)
    assert [place + 1 for place in parsed.order] == expected
    assert dict(parsed.repairs) == repairs


def test_circled_numbers_above_nine_are_one_id_each() -> None:
    assert [place + 1 for place in parse_order("⑫ > ⑩ > ②", 12).order][:3] == [12, 10, 2]


@given(st.text(), st.integers(0, 30))
def test_any_text_gives_a_permutation(text: str, count: int) -> None:
    assert is_permutation(parse_order(text, count).order, count)


PIECES = [
    "[",
    "]",
    ">",
    " ",
    "-",
    "<think>",
    "</think>",
    "1",
    "2",
    "17",
    "99",
    "٣",
    "②",
    ",",
    "Passage ",
    "\n",
    "...",
    "½",
]


@given(st.lists(st.sampled_from(PIECES)).map("".join), st.integers(1, 20))
def test_texts_made_of_a_rankings_pieces_give_a_permutation(text: str, count: int) -> None:
    parsed = parse_order(text, count)
    assert is_permutation(parsed.order, count)
    assert all(number > 0 for number in parsed.repairs.values())


@given(st.permutations(range(8)))
def test_a_complete_list_is_taken_as_it_is(order: list[int]) -> None:
    parsed = parse_order(" > ".join(f"[{place + 1}]" for place in order), 8)
    assert list(parsed.order) == order
    assert not parsed.repairs


def test_a_thousand_damaged_answers_lose_nothing_and_every_kind_of_repair_is_met() -> None:
    """A right answer, damaged in one to four ways that are known from real models."""
    chance = random.Random(0)
    counted: Counter[str] = Counter()
    for _ in range(1000):
        order = chance.sample(range(1, 21), 20)
        text = damaged(" > ".join(f"[{number}]" for number in order), chance)
        parsed = parse_order(text, 20)
        assert is_permutation(parsed.order, 20), text
        counted += parsed.repairs
    assert set(counted) == set(parsing.REPAIRS)


def damaged(text: str, chance: random.Random) -> str:
    """Return an answer as a worse model, or a cut connection, would have given it."""
    damages: tuple[Callable[[str], str], ...] = (
        lambda t: t[: chance.randrange(len(t) + 1)],
        lambda t: t.replace("[", "").replace("]", ""),
        lambda t: f"Sure! The 20 passages in order: {t}. I hope this helps with your 3 questions.",
        lambda t: f"<think>maybe [7] > [2]</think>\n{t}",
        lambda t: t.translate(str.maketrans("0123456789", "０１２３４５６７８９")),
        lambda t: t.replace(" > [", ", ["),
        lambda t: t.replace("[3]", "[3-5]"),
        lambda t: t.replace("[4]", "[40]").replace("[5]", "[4]"),
        lambda t: t.replace("[1", "[2"),
        lambda _: "I cannot rank these 20 passages, as none of the 20 is relevant.",
        lambda t: "\n".join(f"{i}. {one}" for i, one in enumerate(t.split(" > "), 1)),
    )
    for damage in chance.sample(damages, chance.randint(1, 4)):
        text = damage(text)
    return text


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("B", 1),
        (" b.", 1),
        ("Passage B", 1),
        ("The answer is Passage C: it names the height.", 2),
        ("[A]", 0),
        ('"C"', 2),
        ("**B**", 1),
        ("B: because A is off topic", 1),
        ("<think>A or B</think> Passage C", 2),
        ("B. Passage A only mentions it.", 1),
        ("B\n\nPassage A is off topic", 1),
        ("C (Passage A and B are off topic)", 2),
        ("B is more relevant than Passage A", 1),
        ('Passage B, not "A"', 1),
        ("The best is Passage B, then [A].", 1),
        ("The answer is B", 1),
        ("The answer is **B** because it names the height", 1),
        ("Answer: B", 1),
        ("**Answer:** Passage B", 1),
        ("<answer>B</answer>", 1),
        ("\\boxed{B}", 1),
        ("Passage A is off topic. The answer is B.", 1),
        ("Passage B gives an answer. A is off topic.", 1),
        ("The answer is a passage about towers", None),
        ("Answer: A passage about towers", None),
        ("I cannot choose A or B", None),
        ("A passage about towers", None),
        ("D", None),
        ("", None),
        ("I do not know", None),
    ],
)
def test_labels_are_read_and_articles_are_not(answer: str, expected: int | None) -> None:
    repairs: Counter[str] = Counter()
    assert parse_label(answer, "ABC", repairs) == expected
    assert repairs[parsing.UNREADABLE] == (expected is None)


@pytest.mark.parametrize("answer", ["I'm sorry", "I think of none", "The answer is I do not know"])
def test_the_pronoun_is_no_label(answer: str) -> None:
    assert parse_label(answer, "ABCDEFGHI", Counter()) is None


@given(st.text())
def test_any_text_names_a_known_label_or_none(text: str) -> None:
    assert parse_label(text, "AB", Counter()) in {0, 1, None}
