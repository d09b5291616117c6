"""A reply is written when it comes, and never asked for a second time."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.errors import GenerationError, InputError
from shortlist.evaluation.answers.desk import Desk
from shortlist.types import Completion, Message, Prompt


@dataclass
class Echo:
    """Answers with the question; fails at the question `fails_at`."""

    fails_at: str | None = None
    asked: list[str] = field(default_factory=list)
    fingerprint: str = "echo"

    def generate(self, prompt: Prompt) -> Completion:
        text = prompt.messages[-1].text
        if text == self.fails_at:
            raise GenerationError("killed")
        self.asked.append(text)
        return Completion(text, len(text), 1, is_cut=True)


def question(text: str, *, max_tokens: int = 9) -> Prompt:
    return Prompt((Message("user", text),), max_tokens=max_tokens)


def test_what_a_broken_run_was_told_is_not_asked_again(tmp_path: Path) -> None:
    file = tmp_path / "replies.jsonl"
    desk = Desk.open(Echo(fails_at="three"), file)
    before = [desk.ask(question(text)) for text in ("one", "two", "one")]
    with pytest.raises(GenerationError):
        desk.ask(question("three"))
    generator = Echo()
    again = Desk.open(generator, file)
    assert len(again.known) == 2
    assert [again.ask(question(text)) for text in ("one", "two", "one")] == before
    assert again.generate(question("three")) == Completion("three", 5, 1, is_cut=True)
    assert generator.asked == ["three"]
    assert len(Desk.open(generator, file).known) == 3


def test_another_prompt_or_another_generator_is_another_reply(tmp_path: Path) -> None:
    file, first, other = tmp_path / "replies.jsonl", Echo(), Echo(fingerprint="other")
    desk = Desk.open(first, file)
    for prompt in (question("one"), question("one", max_tokens=8)):
        desk.generate(prompt)
    Desk.open(other, file).generate(question("one"))
    assert (len(first.asked), len(other.asked)) == (2, 1)


@given(st.text(max_size=30), st.integers(0, 200))
def test_a_line_that_was_not_finished_is_asked_again(folder: Path, text: str, lost: int) -> None:
    file = folder / "cut.jsonl"
    file.unlink(missing_ok=True)
    desk = Desk.open(Echo(), file)
    for prompt in (question("whole"), question(text)):
        desk.generate(prompt)
    whole = file.read_bytes()
    first = whole.index(b"\n") + 1
    file.write_bytes(whole[: max(first, len(whole) - lost)])
    again = Desk.open(Echo(), file)
    assert again.ask(question("whole")) == desk.ask(question("whole"))
    assert again.generate(question(text)).text == text
    assert len(Desk.open(Echo(), file).known) == len({"whole", text})


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all examples of a property."""
    return tmp_path_factory.mktemp("replies")


def test_a_file_of_something_else_is_refused_with_line_and_remedy(tmp_path: Path) -> None:
    file = tmp_path / "other.jsonl"
    file.write_text('{"_id": "1", "text": "a"}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"other\.jsonl, line 1: holds no reply .*'prompt_tokens'.*name another one"):
        Desk.open(Echo(), file)
    assert file.read_text(encoding="utf-8") == '{"_id": "1", "text": "a"}\n'
    for whole in ('{"_id": "1"}', '{"_id": "1"}\n{"_id": "2"}', "[\n1]"):  # nothing of it is cut off
        file.write_text(whole, encoding="utf-8")
        with pytest.raises(InputError, match=rf"other\.jsonl, line {whole.count(chr(10)) + 1}: holds no reply"):
            Desk.open(Echo(), file)
        assert file.read_text(encoding="utf-8") == whole
    with pytest.raises(InputError, match="name a file in a folder that is there"):
        Desk.open(Echo(), tmp_path / "nowhere" / "replies.jsonl")
