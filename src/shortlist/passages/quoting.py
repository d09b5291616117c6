"""Document text as data inside a prompt: what could be taken for a prompt's own marks is broken."""

from __future__ import annotations

import re

from shortlist.passages.size import word_spans

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_CHAT = re.compile(r"<(?=[|\uff5c/a-zA-Z])")  # <|im_end|>, </s>, <think>, </passage>: chat templates' and our own
_TURN = re.compile(r"\[(?=/?(?:INST|SYS|AVAILABLE_TOOLS|TOOL_)\b|/?(?:INST|SYS)\])", re.IGNORECASE)
_ID = re.compile(r"[\[\uff3b\u3010]\s*([0-9A-Za-z]{1,3})\s*[\]\uff3d\u3011]")


def harmless(text: str) -> str:
    """Return text in one line without control characters, chat tokens, bracketed ids or double quotes.

    "<|im_end|>" becomes "< |im_end|>", "[3]" becomes "(3)" and quotes become single ones, so
    that a passage can neither end its turn nor name passages. Lone surrogates become "?".
    """
    return harmless_lines(" ".join(text.split())).replace('"', "'")


def harmless_lines(text: str) -> str:
    """Do the same to text whose lines, indents and quotes matter, such as code: these are kept."""
    text = _CONTROL.sub(" ", text.encode("utf-8", "replace").decode("utf-8"))
    return _ID.sub(r"(\1)", _TURN.sub("[ ", _CHAT.sub("< ", text)))


def shortened(text: str, words: int) -> tuple[str, int, int]:
    """Return the beginning of a text with the words that are left and that were there.

    Words are counted for every script, those without spaces by letters (see `count_words`).
    """
    spans = list(word_spans(text, 0, len(text)))
    if len(spans) <= words:
        return text, len(spans), len(spans)
    return text[: spans[words - 1][1]] if words else "", words, len(spans)
