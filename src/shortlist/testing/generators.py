"""What every language model must keep."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

from shortlist.protocols import Generator, LikelihoodModel
from shortlist.types import Message, Prompt

_PROMPT = Prompt((Message("user", "Name the capital of France in one word."),), max_tokens=4)


def check_generator(generator: Generator, *, with_logprobs: bool = True) -> None:
    """Check a generator: the same answer again and from several threads, within the tokens allowed."""
    assert isinstance(generator, Generator), f"{type(generator).__name__} has no `generate` or no `fingerprint`"
    assert generator.fingerprint, "the fingerprint is empty"
    first = generator.generate(_PROMPT)
    with ThreadPoolExecutor(2) as pool:
        again = list(pool.map(generator.generate, [_PROMPT, _PROMPT]))
    assert all(one.text == first.text for one in again), f"greedy answers differ: {first.text!r}, {again[0].text!r}"
    assert first.completion_tokens <= _PROMPT.max_tokens, (
        f"{first.completion_tokens} tokens, {_PROMPT.max_tokens} allowed"
    )
    if not with_logprobs:
        return
    told = generator.generate(Prompt(_PROMPT.messages, max_tokens=2, top_logprobs=5))
    assert told.logprobs, "log probabilities were asked for, and none came"
    for token in told.logprobs:
        assert token.token in token.candidates, f"the generated token {token.token!r} is not among its candidates"
        total = sum(math.exp(value) for value in token.candidates.values())
        assert total < 1.01, f"the candidates' probabilities add up to {total:.3f}"


def check_likelihood_model(model: LikelihoodModel) -> None:
    """Check a likelihood model: finite, the same again, and the true answer is likelier than an absurd one."""
    assert isinstance(model, LikelihoodModel), f"{type(model).__name__} has no `log_likelihood` or no `fingerprint`"
    likely, absurd = (model.log_likelihood(_PROMPT, text) for text in ("Paris", "Wardrobe"))
    assert all(math.isfinite(value) for value in (*likely.logprobs, *absurd.logprobs)), "not finite"
    again = model.log_likelihood(_PROMPT, "Paris")
    assert abs(again.mean - likely.mean) < 0.05, f"{likely.mean} became {again.mean}"
    assert likely.mean > absurd.mean, f"Wardrobe ({absurd.mean:.2f}) is likelier than Paris ({likely.mean:.2f})"
