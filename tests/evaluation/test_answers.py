"""Answers are measured as SQuAD does, with and without reranking, by a generator that follows a script."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.build.answers import Asking, study_request
from shortlist.errors import GenerationError, InputError
from shortlist.evaluation import Run, read_beir
from shortlist.evaluation.answers.asking import ask, is_abstention, read_answer, shown
from shortlist.evaluation.answers.desk import Desk
from shortlist.evaluation.answers.faithfulness import faithfulness
from shortlist.evaluation.answers.report import answers_report, means
from shortlist.evaluation.answers.squad import contains, exact_match, normalised, token_f1
from shortlist.evaluation.answers.study import ANSWERED, EXACT, F1, FAITHFUL, IN_CONTEXT, Plan, study_answers
from shortlist.evaluation.answers.words import WordsJudge
from shortlist.evaluation.request import Request
from shortlist.evaluation.systems import Given, Stage, System
from shortlist.generation.support import GeneratorJudge, ScorerJudge, Statement
from shortlist.generators.chat import unanswered
from shortlist.scorers.lexical import Lexical
from shortlist.scorers.pointwise import Pointwise
from shortlist.types import Completion, Document, Prompt

from .material import beir_folder


@dataclass
class Scripted:
    """Answers with the first gold answer whose words stand in the passages, else that there is none."""

    gold: dict[str, tuple[str, ...]]
    asked: list[Prompt] = field(default_factory=list)
    fingerprint: str = "scripted"

    def generate(self, prompt: Prompt) -> Completion:
        self.asked.append(prompt)
        passages, _, question = prompt.messages[-1].text.partition("\n\nQuestion: ")
        for text, answers in self.gold.items():
            if question.startswith(text):
                found = next((one for one in answers if one.lower() in passages.lower()), "")
                return Completion(f"Answer: {found}." if found else "unanswerable", len(prompt.messages[-1].text))
        return Completion("", 1)


def by_the_script(answer: str, gold: str) -> tuple[float, float]:
    """SQuAD's evaluate-v1.1.py for English, written anew: exact match and F1."""

    def words(text: str) -> list[str]:
        bare = re.sub(r"[!-/:-@\[-`{-~]", "", text.lower())
        return re.sub(r"\b(a|an|the)\b", " ", bare).split()

    ours, theirs = words(answer), words(gold)
    same = sum((Counter(ours) & Counter(theirs)).values())
    if not same:
        return float(ours == theirs), float(ours == theirs)
    precision, recall = same / len(ours), same / len(theirs)
    return float(ours == theirs), 2 * precision * recall / (precision + recall)


WORDS = st.lists(st.sampled_from(["The", "tower", "330", "metres,", "of", "iron!", "(Paris)", "a", "U.S."]), max_size=6)


@given(WORDS, WORDS)
def test_english_answers_measure_as_in_squads_script(ours: list[str], theirs: list[str]) -> None:
    answer, gold = " ".join(ours), " ".join(theirs)
    assert (exact_match(answer, [gold]), token_f1(answer, [gold])) == pytest.approx(by_the_script(answer, gold))


def test_the_nearest_gold_answer_counts_and_german_articles_do_not() -> None:
    assert exact_match("der Turm", ["Tor", "Turm!"]) == 1.0
    assert token_f1("der hohe Turm", ["Tor", "Turm"]) == pytest.approx(2 / 3)
    assert normalised("Das „Haus“ — am See.") == ("haus", "am", "see")


def test_an_answer_in_context_is_whole_words_in_one_piece() -> None:
    assert contains("The tower is 330 metres tall.", ["330 metres"]) == 1.0
    assert contains("The tower is 1330 metres tall.", ["330 metres"]) == 0.0
    assert contains("330 or more metres", ["330 metres"]) == 0.0
    assert contains("anything", ["the"]) == 0.0


def test_letters_of_scripts_without_spaces_are_words() -> None:
    assert contains("東京は日本の首都です。", ["東京"]) == 1
    assert contains("東京は日本の首都です。", ["大阪"]) == 0
    assert contains("กรุงเทพมหานครเป็นเมืองหลวง", ["เมืองหลวง"]) == 1
    assert token_f1("北京大学", ["北京"]) == pytest.approx(2 / 3)
    assert exact_match("「東京」。", ["東京"]) == 1


def test_the_prompt_numbers_the_passages_and_keeps_to_the_words() -> None:
    passages = [Document("one two three"), Document("four five"), Document("six")]
    text = ask("which?", passages).messages[-1].text
    assert text.index("[1] one") < text.index("[2] four") < text.index("Question: which?")
    assert shown(passages, words=5) == tuple(passages[:2])
    assert shown(passages, words=1) == (passages[0],)
    assert shown(passages) == tuple(passages)


def test_an_answer_is_read_without_its_label_and_abstention_is_known() -> None:
    assert read_answer("\n Answer: 330 metres\nBecause.") == "330 metres"
    assert read_answer("<think>\nThe first says it.\n</think>\n\n330 metres") == "330 metres"
    assert read_answer("<think>\nThe first") == ""
    assert is_abstention("Unanswerable.")
    assert is_abstention(read_answer(" \n"))
    assert not is_abstention("330 metres")


def test_a_threshold_parts_what_is_known_and_says_how_well() -> None:
    statements = [
        Statement("how tall?", "330 metres", Document("it is 330 metres tall"), True),
        Statement("of what?", "wrought iron", Document("it is of wrought iron"), True),
        Statement("how tall?", "330 metres", Document("cats hunt at night"), False),
        Statement("of what?", "wrought iron", Document("bread is baked"), False),
    ]
    judge = ScorerJudge.fitted(Lexical(), statements)
    assert judge.accuracy == 1.0
    assert "balanced accuracy 1.000" in judge.method
    assert all(judge.supports(s.question, s.answer, [s.passage]) == s.is_supported for s in statements)
    passages = [Document("it is 330 metres tall")]
    assert faithfulness(judge, "how tall?", "It is 330 metres tall. Elephants dance wildly.", passages) == 0.5
    assert faithfulness(judge, "how tall?", "", passages) == 0.0
    assert not judge.supports("how tall?", "330 metres", [])
    with pytest.raises(InputError, match="some that are not"):
        ScorerJudge.fitted(Lexical(), statements[:2])


def test_words_of_an_answer_are_looked_for_in_one_passage() -> None:
    passages = [Document("The tower is 330 metres tall."), Document("It is made of wrought iron.")]
    known = [
        Statement("how tall is the tower?", "330 metres", passages[0], True),
        Statement("how tall is the tower?", "330 metres", passages[1], False),
        Statement("how tall is the tower?", "wrought iron", passages[0], False),
        Statement("what is it made of?", "forged metal", passages[1], True),  # no synonyms
    ]
    judge = WordsJudge.measured(known)
    assert judge.accuracy == pytest.approx((1 / 2 + 1) / 2)
    assert "balanced accuracy 0.750 on 4 known statements" in judge.method
    assert judge.supports("how tall is the tower?", "The tower is 330 metres tall", passages)
    assert not judge.supports("how tall is the tower?", "The tower is 331 metres tall", passages)
    assert not judge.supports("what is it?", "330 metres of wrought iron", passages)  # not in one passage
    assert not judge.supports("what is it?", "...", passages)
    with pytest.raises(InputError, match="some that are not"):
        WordsJudge.measured(known[:1])


def test_a_language_model_judges_by_yes_or_no() -> None:
    class Says:
        fingerprint = "says"

        def generate(self, prompt: Prompt) -> Completion:
            return Completion(" Yes." if "330" in prompt.messages[-1].text.partition("Answer:")[0] else "No")

    judge = GeneratorJudge(Says())
    assert judge.supports("q", "330", [Document("it is 330 m")])
    assert not judge.supports("q", "330", [Document("cats")])


@pytest.mark.parametrize(
    "thought", ["<think>\nThe passage says 330 m.\n</think>\n\n", "Well, 330 m, I see.\n</think>", ""]
)
def test_a_language_model_that_thinks_first_gets_room_for_it(thought: str) -> None:
    class Thinks:
        fingerprint = "thinks"

        def __init__(self) -> None:
            self.asked: list[int] = []

        def generate(self, prompt: Prompt) -> Completion:
            self.asked.append(prompt.max_tokens)
            said = thought + ("Yes" if "330" in prompt.messages[-1].text.partition("Answer:")[0] else "No")
            return Completion(said[: 4 * prompt.max_tokens], is_cut=len(said) > 4 * prompt.max_tokens)

    model = Thinks()
    assert GeneratorJudge(model).supports("q", "330", [Document("it is 330 m")])
    assert len(model.asked) == (2 if thought else 1)
    assert not GeneratorJudge(model).supports("q", "330", [Document("cats")])


RUN = Run("given", dict.fromkeys("12345", ("hostile", "rain", "cats", "iron", "tower", "git", "ada")))


@pytest.fixture
def parts(tmp_path: Path) -> tuple[list[System], dict[str, tuple[str, ...]], Scripted]:
    collection = read_beir(beir_folder(tmp_path))
    given = Given(RUN, collection.documents)
    systems = [System("first", given, 7), System("lexical", given, 7, (Stage(Pointwise(Lexical())),))]
    by_text = {query.text: collection.answers.get(query.query_id, ()) for query in collection.queries}
    return systems, dict(collection.answers), Scripted(by_text)


def test_reranking_brings_the_answer_into_a_short_context(
    parts: tuple[list[System], dict[str, tuple[str, ...]], Scripted], tmp_path: Path
) -> None:
    systems, gold, generator = parts
    asked = [query for query in read_beir(tmp_path).queries if query.query_id in gold]
    plan = Plan((1, 7), permutations=500)
    study = study_answers(asked, gold, systems, plan=plan, desk=Desk(generator), judge=None)
    assert study.measures == (IN_CONTEXT, EXACT, F1, ANSWERED)
    for measure in study.measures:
        assert study.interval(measure, "first", 1)[0] < study.interval(measure, "lexical", 1)[0]
        assert study.values(measure, "first", 7) == study.values(measure, "lexical", 7)
    # with all passages both prompts hold the same, but not in the same order; nothing is asked twice
    assert len(generator.asked) == len(set(generator.asked)) <= 4 * len(asked)
    for reply in study.replies:
        assert (reply.values[ANSWERED] == 0) == (reply.text == "unanswerable")
        assert reply.values[EXACT] == reply.values[IN_CONTEXT]
    report = answers_report(study)
    assert "## Exact match" in report
    assert "lexical vs first" in report


def test_answers_that_were_never_given_have_no_faithfulness(
    parts: tuple[list[System], dict[str, tuple[str, ...]], Scripted], tmp_path: Path
) -> None:
    systems, gold, generator = parts
    asked = [query for query in read_beir(tmp_path).queries if query.query_id in gold]
    judge = WordsJudge(1.0, 2)
    study = study_answers(asked, gold, systems, plan=Plan((1, 7)), desk=Desk(generator), judge=judge)
    assert set(study.values(ANSWERED, "first", 1).values()) == {0.0}
    assert means(study, FAITHFUL)[1][0][1] == "-"
    assert means(study, FAITHFUL)[1][0][2].startswith("1.0000")


def test_replies_of_earlier_runs_are_told_as_far_as_they_were_used(
    parts: tuple[list[System], dict[str, tuple[str, ...]], Scripted], tmp_path: Path
) -> None:
    systems, gold, generator = parts
    asked = [query for query in read_beir(tmp_path).queries if query.query_id in gold]
    file = tmp_path / "replies.jsonl"
    study_answers(asked, gold, systems[:1], plan=Plan((1, 3)), desk=Desk.open(generator, file))
    study = study_answers(asked[:2], gold, systems[:1], plan=Plan((3, 7)), desk=Desk.open(generator, file))
    assert "2 of 4 replies are of earlier runs, and so is their latency" in answers_report(study)


def test_without_a_generator_only_the_context_is_measured(
    parts: tuple[list[System], dict[str, tuple[str, ...]], Scripted], tmp_path: Path
) -> None:
    systems, gold, _ = parts
    asked = [query for query in read_beir(tmp_path).queries if query.query_id in gold]
    study = study_answers(asked, gold, systems, plan=Plan((1, 3), words=12, permutations=100))
    assert study.measures == (IN_CONTEXT,)
    assert any(reply.left_out for reply in study.replies)
    assert "did not fit and were left out" in answers_report(study)


def test_passages_that_the_context_does_not_hold_are_left_out_from_the_end_and_told(
    parts: tuple[list[System], dict[str, tuple[str, ...]], Scripted], tmp_path: Path
) -> None:
    systems, gold, generator = parts

    class Narrow:
        fingerprint = "narrow"

        def generate(self, prompt: Prompt) -> Completion:
            if "[4]" in prompt.messages[-1].text:
                raise unanswered("narrow", "request (4525 tokens) exceeds the available context size (1024 tokens)")
            return generator.generate(prompt)

    asked = [query for query in read_beir(tmp_path).queries if query.query_id in gold]
    study = study_answers(asked, gold, systems, plan=Plan((3, 7), permutations=100), desk=Desk(Narrow()))
    assert {(reply.passages, reply.left_out) for reply in study.replies} == {(3, 0), (7, 4)}
    for name in study.systems:  # every measure is of the passages that were shown
        assert study.values(IN_CONTEXT, name, 7) == study.values(IN_CONTEXT, name, 3)
    assert "7 passages: of 10 of 10 prompts the last ones did not fit and were left out" in answers_report(study)


def test_answers_of_a_model_that_thinks_first_are_those_behind_its_thought(
    parts: tuple[list[System], dict[str, tuple[str, ...]], Scripted], tmp_path: Path
) -> None:
    systems, gold, generator = parts

    class Thinks:
        fingerprint = "thinks"

        def generate(self, prompt: Prompt) -> Completion:
            text = f"<think>{' let me see' * 40}</think> {generator.generate(prompt).text}"
            return Completion(text[: 4 * prompt.max_tokens], is_cut=len(text) > 4 * prompt.max_tokens)

    asked = [query for query in read_beir(tmp_path).queries if query.query_id in gold]
    plain, thought = (
        study_answers(asked, gold, systems, plan=Plan((1,), permutations=100), desk=Desk(one))
        for one in (generator, Thinks())
    )
    assert [reply.text for reply in thought.replies] == [reply.text for reply in plain.replies]


def test_a_generator_that_fails_for_another_reason_ends_the_study(
    parts: tuple[list[System], dict[str, tuple[str, ...]], Scripted], tmp_path: Path
) -> None:
    class Down:
        fingerprint = "down"

        def generate(self, prompt: Prompt) -> Completion:
            raise unanswered("down", "connection refused")

    systems, gold, _ = parts
    asked = [query for query in read_beir(tmp_path).queries if query.query_id in gold]
    with pytest.raises(GenerationError, match="connection refused"):
        study_answers(asked, gold, systems, plan=Plan((1, 3)), desk=Desk(Down()))


def test_a_system_must_bring_the_passages_that_are_asked_for(
    parts: tuple[list[System], dict[str, tuple[str, ...]], Scripted],
) -> None:
    systems, gold, _ = parts
    with pytest.raises(InputError, match="'first' brings 7 passages and 8 are asked for"):
        study_answers([], gold, systems, plan=Plan((1, 8)))
    with pytest.raises(InputError, match="count from 1"):
        Plan((0,))


def test_a_request_with_a_judge_is_studied_from_the_folder(tmp_path: Path) -> None:
    folder = beir_folder(tmp_path)
    collection = read_beir(folder)
    generator = Scripted({query.text: collection.answers.get(query.query_id, ()) for query in collection.queries})
    request = Request(("bm25@8", "two = bm25@8 > lexical[kind=lexical]"), collection=str(folder))
    study = study_request(request, Asking(Plan((1, 2), permutations=100), generator, judge="generator"))
    assert study.systems == ("bm25@8", "two")
    assert FAITHFUL in study.measures
    assert study.collection["queries"] == 5
    assert np.isfinite([value for reply in study.replies for value in reply.values.values()]).all()
    by_words = study_request(request, Asking(Plan((1, 2), permutations=100), generator, judge="words"))
    assert "balanced accuracy 1.000 on 11 known statements" in by_words.judge
    for name in by_words.systems:  # what the script answers stands in the passages that it was shown
        assert set(by_words.values(FAITHFUL, name, 2).values()) == {1.0}
    with pytest.raises(InputError, match="a judge is one of"):
        study_request(request, Asking(Plan(), judge="nobody"))
