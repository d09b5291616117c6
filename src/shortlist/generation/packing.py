"""The best passages of a ranking, as many as fit into a language model's context."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from shortlist.errors import InputError
from shortlist.generation.context import Context, ContextPassage, Order, in_order, rendered
from shortlist.generation.merging import ALIKE, Merged, distinct, joined
from shortlist.passages.quoting import shortened
from shortlist.passages.size import count_words
from shortlist.types import Document, Ranking, Truncation

CountTokens = Callable[[str], int]
"""How many tokens a text is, as the target model counts."""


def estimated_tokens(text: str) -> int:
    """Estimate a text's tokens where no tokenizer is at hand: a third more than `count_words` says, and line breaks."""
    return -(-count_words(text) * 4 // 3) + text.count("\n")


def pack(
    ranking: Ranking | Sequence[Document],
    *,
    budget: int = 2000,
    passages: int = 8,
    order: Order | str = Order.BEST_FIRST,
    count_tokens: CountTokens = estimated_tokens,
    alike: float = ALIKE,
    join: bool = True,
) -> Context:
    """Return the first `passages` different documents, those that fit into `budget` tokens, best first.

    A near-duplicate (`alike` or more, in 0..1) is shown once, neighbours in a file are joined. Of
    passages that do not fit, smaller ones after them still may; only when not even one fits, the
    best is cut at a word's end. Tokens are counted over the whole text as it is shown, fences and
    marks included. Raises InputError for a budget or a number below 1, or an unknown order.
    """
    if budget < 1 or passages < 1:
        raise InputError(f"a context needs a budget and a number of passages from 1; got {budget} and {passages}")
    documents = ranking.documents if isinstance(ranking, Ranking) else tuple(ranking)
    wanted = distinct(documents, passages, alike=alike)
    order = Order(order)

    def laid_out(chosen: Sequence[Merged]) -> tuple[ContextPassage, ...]:
        return in_order(_marked(joined(chosen) if join else chosen), order)

    def fits(chosen: Sequence[Merged]) -> bool:
        return count_tokens(rendered(laid_out(chosen))) <= budget

    taken, left_out = _taken(wanted, fits)
    truncations: tuple[Truncation, ...] = ()
    if not taken and wanted:
        taken, truncations = _cut(wanted[0], fits)
        left_out = left_out[1:] if taken else left_out
    shown = laid_out(taken)
    ids = tuple(document.doc_id for one in left_out for document in one.sources)
    return Context(shown, count_tokens(rendered(shown)) if shown else 0, budget, ids, truncations)


def _taken(
    wanted: Sequence[Merged], fits: Callable[[Sequence[Merged]], bool]
) -> tuple[tuple[Merged, ...], tuple[Merged, ...]]:
    taken: list[Merged] = []
    left_out: list[Merged] = []
    for one in wanted:
        if fits([*taken, one]):
            taken.append(one)
        else:
            left_out.append(one)
    return tuple(taken), tuple(left_out)


def _cut(best: Merged, fits: Callable[[Sequence[Merged]], bool]) -> tuple[tuple[Merged, ...], tuple[Truncation, ...]]:
    """Return the longest beginning of the best passage that fits, found by halving; nothing when one word does not."""
    total = count_words(best.document.text)
    fitting, too_long, found = 0, total, None
    while too_long - fitting > 1:
        words = (fitting + too_long) // 2
        one = _begun(best, words)
        if fits([one]):
            fitting, found = words, one
        else:
            too_long = words
    if found is None:
        return (), ()
    return (found,), (Truncation(best.document.doc_id, fitting, total),)


def _begun(one: Merged, words: int) -> Merged:
    text, _, _ = shortened(one.document.text, words)
    place = one.document.place
    if place is not None and place.first_line:
        place = replace(place, last_line=min(place.last_line, place.first_line + text.count("\n")))
    return replace(one, document=replace(one.document, text=text, place=place, tokens=None, vector=None))


def _marked(passages: Sequence[Merged]) -> list[ContextPassage]:
    return [ContextPassage(mark, one.document, one.sources) for mark, one in enumerate(passages, 1)]
