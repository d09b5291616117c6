"""Citations of an answer are found, exist or not, and support or not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.build.asking import Packing, answered, packaged_floor, packaged_judge, weights_of
from shortlist.build.models import load_model
from shortlist.generation import checked, pack
from shortlist.generation.citations import cited, marks_of, without_marks
from shortlist.pipeline.fused import WithFirstStage
from shortlist.scorers.lexical import Lexical
from shortlist.scorers.pointwise import Pointwise
from shortlist.types import Completion, Document, Prompt, Query, Ranking, ScoreKind, Step

CONTEXT = pack([Document("The tower is 330 metres tall.", "height"), Document("Cats hunt at night.", "cats")])
PIECES = [
    "The tower is tall",
    "It is 3.5 m",
    ".",
    "! ",
    "? ",
    "\n",
    "[1]",
    " [2, 3]",
    " [4-6]",
    "e.g. ",
    " ",
    "\u3002",
    "\u300d",
]


class Words:
    """A judge that looks for a sentence's last word, and remembers what it was asked."""

    method = "by the last word"

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, list[str]]] = []

    def supports(self, question: str, sentence: str, passages: Sequence[Document]) -> bool:
        self.asked.append((question, sentence, [passage.doc_id for passage in passages]))
        return any(sentence.split()[-1].strip(".") in passage.text for passage in passages)


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("tall [1].", (1,)),
        ("[1][2] and [2]", (1, 2)),
        ("[1, 3; 2]", (1, 3, 2)),
        ("[2-4]", (2, 3, 4)),
        ("[2\u20134] \uff3b6\uff3d \u30107, 9\u3011", (2, 3, 4, 6, 7, 9)),
        ('[passage 2], [id="7"]', (2, 7)),
        ("[Passage 2, Passage 5] [source: 3]", (2, 5, 3)),
        ("list[0] of [x] (3) [2024]", (0,)),
    ],
)
def test_marks_are_read_as_models_write_them(text: str, marks: tuple[int, ...]) -> None:
    assert marks_of(text) == marks


def test_a_citation_behind_the_full_stop_belongs_to_the_sentence_before_it() -> None:
    sentences = list(cited("It is tall. [1] [2] It is old [3]. Why?\nNobody knows."))
    assert [(s.text, s.marks) for s in sentences] == [
        ("It is tall.", (1, 2)),
        ("It is old.", (3,)),
        ("Why?", ()),
        ("Nobody knows.", ()),
    ]


@pytest.mark.parametrize(
    ("answer", "sentences"),
    [
        ("It is tall. [1]", [("It is tall.", (1,))]),
        ("It is tall.\n[1]\n\n[2]\nIt is old.\n", [("It is tall.", (1, 2)), ("It is old.", ())]),
        ("**It is tall.** [1], [2] It is old. [3].", [("**It is tall.**", (1, 2)), ("It is old..", (3,))]),
        ("[1] It is tall.\n[2] It is old.", [("It is tall.", (1,)), ("It is old.", (2,))]),
        ("1. It is tall [1].\n10. It is old [2].", [("1. It is tall.", (1,)), ("10. It is old.", (2,))]),
        ("a. It is tall [1].\n---\nb. Old [2].", [("a. It is tall.", (1,)), ("---\nb. Old.", (2,))]),
        ("The U.S. army, e.g. in the U.S. [1] Why?", [("The U.S. army, e.g. in the U.S.", (1,)), ("Why?", ())]),
        ("Dr. May built it, see Fig. 3. [1] Why?", [("Dr. May built it, see Fig. 3.", (1,)), ("Why?", ())]),
        ("Nach Abs. 2 gilt es. Ja. 5 Tage.", [("Nach Abs. 2 gilt es.", ()), ("Ja.", ()), ("5 Tage.", ())]),
        ("It is vs.\nNo. Tall. No. 5.", [("It is vs.", ()), ("No.", ()), ("Tall.", ()), ("No. 5.", ())]),
        ("330. [1] 440. [2]", [("330.", (1,)), ("440.", (2,))]),
        (
            "塔高330米。[1]它是铁做的[2]。为什么\uff1f",
            [("塔高330米。", (1,)), ("它是铁做的。", (2,)), ("为什么\uff1f", ())],
        ),
        ("「はい。」[1]「行く。」と彼。", [("「はい。」", (1,)), ("「行く。」と彼。", ())]),
        ("塔高\u201c330米。\u201d[1]它是铁。[2]", [("塔高\u201c330米。\u201d", (1,)), ("它是铁。", (2,))]),
        ("真的吗\uff1f\uff01[1]是的。[2]", [("真的吗\uff1f\uff01", (1,)), ("是的。", (2,))]),
        ("\u0646\u0639\u0645\u061f [1] \u0644\u0627.", [("\u0646\u0639\u0645\u061f", (1,)), ("\u0644\u0627.", ())]),
        (
            "\u0939\u093e\u0901\u0964 [1] \u0928\u0939\u0940\u0902\u0964",
            [("\u0939\u093e\u0901\u0964", (1,)), ("\u0928\u0939\u0940\u0902\u0964", ())],
        ),
        ("Er sagt „Ja.“ [1] Gut.", [("Er sagt „Ja.“", (1,)), ("Gut.", ())]),
        ("It is tall [1]. 330.", [("It is tall.", (1,)), ("330.", ())]),
    ],
)
def test_a_sentence_is_whole_and_has_its_own_citations(
    answer: str, sentences: list[tuple[str, tuple[int, ...]]]
) -> None:
    assert [(s.text, s.marks) for s in cited(answer)] == sentences


SAID = st.sampled_from(
    ["It is tall", "The tower is 330 m high", "It stands in the U.S. and in Paris", "Cats, e.g. Tom"]
)
CITED = st.lists(st.sampled_from(["[1]", "[2, 3]", "[4\u20136]", "\uff3b7\uff3d"]), min_size=1, max_size=3)


@given(
    st.lists(st.tuples(SAID, CITED), min_size=1, max_size=5),
    st.sampled_from(["{}. {}", "{}.{}", "{} {}.", '"{}!" {}', "{}.\n{}"]),
    st.sampled_from(["", "- ", "# ", "1. ", "12) "]),
    st.sampled_from(["", " ", ", "]),
)
def test_every_sentence_of_an_answer_in_one_form_has_its_citations(
    written: list[tuple[str, list[str]]], form: str, item: str, between: str
) -> None:
    space = "\n" if item or "\n" in form else " "
    answer = space.join(item + form.format(said, between.join(marks)) for said, marks in written)
    sentences = list(cited(answer))
    assert [s.marks for s in sentences] == [marks_of("".join(marks)) for _, marks in written]
    assert all(said in s.text for s, (said, _) in zip(sentences, written, strict=True))


@given(st.lists(st.sampled_from(PIECES), max_size=20).map("".join))
def test_sentences_cover_the_answer_and_no_citation_is_cut_or_lost(answer: str) -> None:
    sentences = list(cited(answer))
    ends = [0, *(s.end for s in sentences)]
    assert all(not answer[end : s.start].strip() for end, s in zip(ends, sentences, strict=False))
    assert not answer[ends[-1] :].strip()
    assert {mark for s in sentences for mark in s.marks} == set(marks_of(answer))
    assert all(marks_of(s.text) == () for s in sentences)


def test_what_a_sentence_cites_is_looked_at_and_nothing_else() -> None:
    judge = Words()
    answer = checked(
        "how tall?", "It is 330 metres tall [1]. It is tall [2]. Cats hunt at night. So [7].", CONTEXT, judge=judge
    )
    supported = [sentence.is_supported for sentence in answer.sentences]
    assert supported == [True, False, True, False]
    assert [asked[2] for asked in judge.asked] == [["height"], ["cats"], ["height", "cats"], []]
    assert [sentence.notes for sentence in answer.sentences] == [
        (),
        ("not supported by its passages",),
        ("cites nothing",),
        ("cites [7], which does not exist", "not supported by its passages"),
    ]
    assert [passage.mark for passage in answer.cited] == [1, 2]
    assert judge.asked[0][0] == "how tall?"  # a short sentence is judged behind its question


def test_what_the_model_thought_before_is_no_part_of_the_answer() -> None:
    """Ollama and vLLM without a parser of reasoning leave it in the text."""
    thought = "<think>Passage [3] is about cats. So [1].</think>\n\n"
    assert checked("?", f"{thought}It is 330 metres tall [1].", CONTEXT) == checked(
        "?", "\n\nIt is 330 metres tall [1].", CONTEXT
    )
    assert checked("?", f"{thought}Not in these documents.", CONTEXT).is_refusal
    assert checked("?", "<think>Passage [1] says", CONTEXT).is_refusal


def test_a_refusal_is_known_and_not_judged() -> None:
    judge = Words()
    asked_for = ("", "Not in these documents.", '"not in these documents"', "Not in these documents, sorry.")
    for text in (*asked_for, "The answer is not in these documents."):
        assert checked("?", text, CONTEXT, judge=judge).is_refusal
    assert judge.asked == []
    for text in (
        "It is 330 m [1]. Its age is not in these documents.",
        "It is tall. Its age is not in these documents.",
        "What is not in these documents is old.",
        "[1]",
    ):
        assert not checked("?", text, CONTEXT).is_refusal
    assert without_marks("a [1] b [2]") == "a b"


class Scripted:
    """A generator with one answer."""

    fingerprint = "scripted"

    def __init__(self, text: str) -> None:
        self.text = text
        self.prompts: list[Prompt] = []

    def generate(self, prompt: Prompt) -> Completion:
        self.prompts.append(prompt)
        return Completion(self.text, 10, 5)


DOCUMENTS = [
    Document("The Eiffel Tower in Paris is 330 metres tall and was finished in 1889.", "height"),
    Document("Cats sleep for most of the day and hunt at night.", "cats"),
    Document("Bread is baked from flour, water, yeast and salt in a hot oven.", "bread"),
]


def test_the_packaged_floor_parts_what_is_there_from_what_is_not() -> None:
    reranker = Pointwise(load_model("shortlist-l6", engine="onnxruntime"))
    generator = Scripted("The Eiffel Tower is 330 metres tall [1]. The first man on the Moon was a Russian [3].")
    there = reranker.rerank(Ranking.in_order(Query("How tall is the Eiffel Tower?"), DOCUMENTS))
    written: list[str] = []
    found = answered(there, packing=Packing(), generator=generator, write=written.append)
    assert found.is_found
    assert found.answer is not None
    assert [sentence.is_supported for sentence in found.answer.sentences] == [True, False]
    assert written == [generator.text]
    gone = reranker.rerank(Ranking.in_order(Query("Who won the chess championship of 1972?"), DOCUMENTS))
    refused = answered(gone, packing=Packing(), generator=generator)
    assert refused.chance is not None
    assert refused.chance < refused.floor
    assert not refused.is_found
    assert refused.answer is None
    assert len(generator.prompts) == 1
    assert answered(gone, packing=Packing(), generator=generator, floor=0.0).answer is not None


def test_the_floor_is_of_the_packaged_weights() -> None:
    """When the packaged model changes: python -m scripts.fit_answers DATA."""
    scorer = load_model("shortlist-l6", engine="onnxruntime")
    assert weights_of(packaged_floor().scorer) == weights_of(scorer.fingerprint) != ()
    assert 0 < packaged_floor().floor < 1
    assert packaged_judge().accuracy > 0.5


@pytest.mark.parametrize(
    ("part", "instead", "is_known"),
    [(":fp32:", ":int8:", True), (":mean:256", ":mean:256 mapped 5fc9e4041805", False), ("40 x", "20 x", False)],
)
def test_a_map_of_the_queries_and_other_shares_of_the_sum_are_another_model(
    part: str, instead: str, is_known: bool
) -> None:
    floor, scores, kind = packaged_floor(), [30.0] * len(DOCUMENTS), ScoreKind.WEIGHTED_SUM
    step = Step("sum", facts={"model": floor.scorer.replace(part, instead)})
    ranking = Ranking.from_scores(Query("cats"), DOCUMENTS, scores, kind=kind, stage="sum").traced(step)
    assert (floor.chance(ranking) is not None) == is_known


def test_other_models_have_no_floor_and_that_is_said() -> None:
    ranking = Pointwise(Lexical()).rerank(Ranking.in_order(Query("cats"), DOCUMENTS))
    result = answered(ranking, packing=Packing())
    assert result.chance is None
    assert result.is_found
    assert "no floor is known" in result.notes[-1]


def test_a_sum_with_the_first_stage_has_no_floor_whatever_was_done_to_its_order() -> None:
    reranker = WithFirstStage(Pointwise(load_model("shortlist-l6", engine="onnxruntime")), weight=0.5)
    summed = reranker.rerank(Ranking.in_order(Query("How tall is the Eiffel Tower?"), DOCUMENTS))
    assert answered(summed, packing=Packing()).chance is None
    again = summed.rearranged(range(len(summed)), stage="diversity")
    assert answered(again, packing=Packing()).chance is None
