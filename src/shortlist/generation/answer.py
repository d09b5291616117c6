"""An answer whose citations were checked: they must exist, and their passages must support the sentence."""

from __future__ import annotations

from dataclasses import dataclass

from shortlist.generation.citations import Cited, cited, marks_of
from shortlist.generation.context import Context, ContextPassage
from shortlist.generation.question import NOT_FOUND
from shortlist.generation.support import Judge
from shortlist.generators.reasoning import without_reasoning
from shortlist.passages.size import count_words

_SHORT = 8  # words: "330 metres." says something only behind its question


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence with the passages it cites, the marks that cite nothing, and whether its passages support it.

    `is_supported` is None where nobody judged. A sentence without a citation is judged by all passages.
    """

    start: int
    end: int
    text: str
    passages: tuple[ContextPassage, ...]
    missing: tuple[int, ...]
    is_supported: bool | None

    @property
    def notes(self) -> tuple[str, ...]:
        """What is wrong with it, in words."""
        notes = [f"cites [{mark}], which does not exist" for mark in self.missing]
        notes += [] if self.passages or self.missing else ["cites nothing"]
        return (*notes, *(["not supported by its passages"] if self.is_supported is False else []))


@dataclass(frozen=True, slots=True)
class CheckedAnswer:
    """An answer's text, its sentences, and how support was judged, in words.

    What the model thought before it (between `<think>` and `</think>`) is no part of the text.
    """

    text: str
    sentences: tuple[Sentence, ...]
    method: str = ""

    @property
    def is_refusal(self) -> bool:
        """Whether the model said nothing, or that the answer is not in the documents: in its first words or in all."""
        said = self.text.strip().strip("\"'.").lower()
        is_all = said.endswith(NOT_FOUND) and len(list(cited(said))) == 1 and not marks_of(said)
        return not self.text.strip() or said.startswith(NOT_FOUND) or is_all

    @property
    def cited(self) -> tuple[ContextPassage, ...]:
        """The passages that are cited, each once, by their marks."""
        by_mark = {passage.mark: passage for sentence in self.sentences for passage in sentence.passages}
        return tuple(by_mark[mark] for mark in sorted(by_mark))


def checked(question: str, answer: str, context: Context, *, judge: Judge | None = None) -> CheckedAnswer:
    """Check every sentence of an answer; without a judge only whether what it cites exists."""
    bare = CheckedAnswer(without_reasoning(answer), ())
    if bare.is_refusal:
        return bare
    sentences = tuple(_checked(question, sentence, context, judge) for sentence in cited(bare.text))
    return CheckedAnswer(bare.text, sentences, judge.method if judge is not None else "")


def _checked(question: str, sentence: Cited, context: Context, judge: Judge | None) -> Sentence:
    found = [(mark, context.of_mark(mark)) for mark in sentence.marks]
    passages = tuple(passage for _, passage in found if passage is not None)
    missing = tuple(mark for mark, passage in found if passage is None)
    is_supported = None
    if judge is not None and sentence.text:
        asked = question if count_words(sentence.text) < _SHORT else ""
        shown = [passage.document for passage in passages or ((), context.passages)[not sentence.marks]]
        is_supported = judge.supports(asked, sentence.text, shown)
    return Sentence(sentence.start, sentence.end, sentence.text, passages, missing, is_supported)
