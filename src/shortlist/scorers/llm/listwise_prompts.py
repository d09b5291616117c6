"""The published listwise prompts, word for word: RankGPT's dialogue, RankZephyr's turn, letters for FIRST."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from shortlist.scorers.llm.labels import LABELS
from shortlist.types import Message

ListwisePrompt = Callable[[str, Sequence[str]], list[Message]]


def rankgpt(query: str, passages: Sequence[str]) -> list[Message]:
    """Sun et al. 2023, "Is ChatGPT Good at Search?": each passage is a turn that the assistant acknowledges."""
    count = len(passages)
    turns = [
        turn
        for number, passage in enumerate(passages, 1)
        for turn in (Message("user", f"[{number}] {passage}"), Message("assistant", f"Received passage [{number}]."))
    ]
    return [
        Message(
            "system",
            "You are RankGPT, an intelligent assistant that can rank passages based on their relevancy to the query.",
        ),
        Message(
            "user",
            f"I will provide you with {count} passages, each indicated by number identifier []. \n"
            f"Rank the passages based on their relevance to query: {query}.",
        ),
        Message("assistant", "Okay, please provide the passages."),
        *turns,
        Message(
            "user",
            f"Search Query: {query}. \nRank the {count} passages above based on their relevance to the search query."
            " The passages should be listed in descending order using identifiers. The most relevant passages should"
            " be listed first. The output format should be [] > [], e.g., [1] > [2]. Only response the ranking"
            " results, do not say any word or explain.",
        ),
    ]


def rankzephyr(query: str, passages: Sequence[str]) -> list[Message]:
    """Pradeep et al. 2023, "RankZephyr": one turn; passages are called by numbers."""
    return _rankllm(query, passages, [str(number) for number in range(1, len(passages) + 1)], "[2] > [1]")


def letters(query: str, passages: Sequence[str]) -> list[Message]:
    """RankZephyr's turn with passages called by letters, each one token (Gangi Reddy et al. 2024, "FIRST")."""
    return _rankllm(query, passages, LABELS, "[B] > [A]")


def _rankllm(query: str, passages: Sequence[str], names: Sequence[str], example: str) -> list[Message]:
    count = len(passages)
    kind = "a numerical" if names[0] == "1" else "an alphabetical"
    listed = "\n".join(f"[{name}] {passage}" for name, passage in zip(names, passages, strict=False))
    return [
        Message(
            "system",
            "You are RankLLM, an intelligent assistant that can rank passages based on their relevancy to the query",
        ),
        Message(
            "user",
            f"I will provide you with {count} passages, each indicated by {kind} identifier []."
            f" Rank the passages based on their relevance to the search query: {query}.\n{listed}\n"
            f"Search Query: {query}.\nRank the {count} passages above based on their relevance to the search query."
            " All the passages should be included and listed using identifiers, in descending order of relevance."
            f" The output format should be [] > [], e.g., {example}, Answer concisely and directly and only respond"
            " with the ranking results, do not say any word or explain.",
        ),
    ]


PROMPTS: dict[str, ListwisePrompt] = {"rankgpt": rankgpt, "rankzephyr": rankzephyr, "first": letters}
