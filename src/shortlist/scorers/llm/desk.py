"""One reranking's questions to a language model: several at once, counted, and within the caps."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol, TypeVar

from shortlist.errors import BudgetSpentError, UnsupportedModelError
from shortlist.protocols import Generator, LikelihoodModel
from shortlist.scorers.llm.cost import Budget, Prices, Usage, expected_usage
from shortlist.types import Completion, Likelihood, Prompt

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class Asking(Protocol):
    """What a method needs: answers to prompts in their order, likelihoods, and a place to count repairs."""

    repairs: Counter[str]

    @property
    def model(self) -> str:
        """The model's fingerprint."""
        ...

    def ask(self, prompts: Sequence[Prompt]) -> list[Completion]:
        """Return one answer a prompt."""
        ...

    def likelihoods(self, asked: Sequence[tuple[Prompt, str]]) -> list[Likelihood]:
        """Return one likelihood for each prompt with its given answer."""
        ...


class Desk:
    """Asks a model, at most `concurrency` questions at once.

    Questions that are asked together are asked all or not at all: BudgetSpentError is raised
    before the first of them when a cap would be passed. GenerationError of any of them is
    raised when those that had begun have ended; the others are not asked. Every answer is
    counted in `usage`.
    """

    def __init__(
        self, model: Generator | LikelihoodModel, *, budget: Budget, prices: Prices | None, concurrency: int
    ) -> None:
        self._model = model
        self._budget, self._prices = budget, prices
        self._concurrency = concurrency
        self._lock = threading.Lock()
        self.usage = Usage()
        self.guessed = 0  # answers without usage, counted by their estimate
        self.repairs: Counter[str] = Counter()

    @property
    def model(self) -> str:
        """The model's fingerprint."""
        return self._model.fingerprint

    def ask(self, prompts: Sequence[Prompt]) -> list[Completion]:
        """Return one answer a prompt; the model must be a Generator."""
        if not isinstance(self._model, Generator):
            raise UnsupportedModelError(f"{self._model.fingerprint} does not generate text; this method needs that")
        self._check([expected_usage(prompt) for prompt in prompts])
        return self._several(partial(self._generate, self._model), prompts)

    def likelihoods(self, asked: Sequence[tuple[Prompt, str]]) -> list[Likelihood]:
        """Return one likelihood for each prompt with its given answer; the model must be a LikelihoodModel."""
        if not isinstance(self._model, LikelihoodModel):
            raise UnsupportedModelError(
                f"{self._model.fingerprint} does not tell how likely a given answer is; this method needs that"
            )
        self._check([_expected(one) for one in asked])
        return self._several(partial(self._likelihood, self._model), asked)

    def _check(self, expected: Sequence[Usage]) -> None:
        total = self.usage
        for usage in expected:
            total = total.plus(usage)
        refusal = self._budget.refusal(total, self._prices)
        if refusal:
            raise BudgetSpentError(f"{refusal} would be passed by the next {len(expected)} calls")

    def _several(self, one: Callable[[Asked], Answer], asked: Sequence[Asked]) -> list[Answer]:
        if len(asked) < 2 or self._concurrency < 2:
            return [one(question) for question in asked]
        failed = threading.Event()

        def unless_failed(question: Asked) -> list[Answer]:
            if failed.is_set():
                return []
            try:
                return [one(question)]
            except BaseException:
                failed.set()
                raise

        with ThreadPoolExecutor(min(self._concurrency, len(asked)), thread_name_prefix="shortlist-llm") as pool:
            return [answer for found in pool.map(unless_failed, asked) for answer in found]  # raises what failed

    def _generate(self, model: Generator, prompt: Prompt) -> Completion:
        completion = model.generate(prompt)
        found = Usage(1, completion.prompt_tokens, completion.completion_tokens)
        self._count(found, expected_usage(prompt, written=completion.completion_tokens))
        return completion

    def _likelihood(self, model: LikelihoodModel, asked: tuple[Prompt, str]) -> Likelihood:
        likelihood = model.log_likelihood(*asked)
        self._count(Usage(1, likelihood.prompt_tokens, len(likelihood.logprobs)), _expected(asked))
        return likelihood

    def _count(self, found: Usage, expected: Usage) -> None:
        with self._lock:
            self.guessed += found.prompt_tokens == 0
            self.usage = self.usage.plus(found if found.prompt_tokens else expected)


def _expected(asked: tuple[Prompt, str]) -> Usage:
    prompt, continuation = asked
    return expected_usage(prompt, written=2 * len(continuation.split()) + 4)
