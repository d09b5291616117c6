"""What a model thought before its answer, where the server leaves it in the answer's text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from shortlist.errors import PromptTooLongError
from shortlist.types import Prompt

Reply = TypeVar("Reply")

ROOM = 2000  # tokens for what is thought before a short answer
_THOUGHT = re.compile(r"^.*</\s*(?:think|thinking|reasoning|thought)\s*>", re.DOTALL | re.IGNORECASE)
_UNFINISHED = re.compile(r"<\s*(?:think|thinking|reasoning|thought)\s*>.*$", re.DOTALL | re.IGNORECASE)


def without_reasoning(text: str) -> str:
    """Return what follows the last reasoning block; of one that never ends, nothing."""
    return _UNFINISHED.sub("", _THOUGHT.sub("", text))


def short_answer(ask: Callable[[Prompt], Reply], prompt: Prompt, *, is_said: Callable[[Reply], bool]) -> Reply:
    """Ask for an answer of few tokens, and again with room for thought where they end before anything `is_said`.

    Only a model that thinks first is asked twice. Where its context has no such room, the first reply stands.
    """
    reply = ask(prompt)
    if is_said(reply):
        return reply
    try:
        return ask(replace(prompt, max_tokens=prompt.max_tokens + ROOM))
    except PromptTooLongError:
        return reply
