"""How large a text is, and how large a passage may be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from shortlist.errors import InputError

_PUNCTUATION = r"!-/:-@\[-`{-~\u2010-\u2027\u2030-\u205e\u3001-\u3003\u3008-\u3020\uff01-\uff0f\uff1a-\uff20"
# of a character class: scripts written without spaces, which are Thai, Lao, Burmese, Khmer, Han, kana
DENSE = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fff\u3004-\u3007\u3021-\u9fff\uf900-\ufaff\uff66-\uff9f"
    r"\U00020000-\U0003ffff"
)
_WORD = re.compile(rf"[{_PUNCTUATION}]|[{DENSE}]{{1,2}}|[^\s{_PUNCTUATION}{DENSE}]{{1,12}}")


@dataclass(frozen=True, slots=True)
class PassageSize:
    """The size a passage should have and the size it never exceeds, in words as `count_words` counts them.

    The defaults fit models that read 256 tokens: 200 words are about 180 words of English
    prose with its punctuation. Raises InputError unless 1 <= target <= maximum.
    """

    target: int = 200
    maximum: int = 250

    def __post_init__(self) -> None:
        if not 1 <= self.target <= self.maximum:
            raise InputError(
                f"a passage's target size must be from 1 to its maximum; got {self.target} and {self.maximum}"
            )


def count_words(text: str) -> int:
    """Count what a tokenizer is likely to see, cheaply and for every script.

    One for each word (for every started 12 letters of it), for each punctuation mark, and
    for each pair of letters in scripts written without spaces. Whitespace counts nothing.
    """
    return sum(1 for _ in _WORD.finditer(text))


def word_spans(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the span of everything that `count_words` counts in `text[start:end]`."""
    return (match.span() for match in _WORD.finditer(text, start, end))
