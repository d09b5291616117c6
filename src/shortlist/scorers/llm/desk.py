"""One reranking's questions to a language model: several at once, counted, and within the caps."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Protocol, TypeVar

from shortlist.errors import (
    BudgetSpentError,
    GenerationError,
    PromptRefusedError,
    PromptTooLongError,
    UnsupportedModelError,
)
from shortlist.passages.size import count_words
from shortlist.protocols import Generator, LikelihoodModel
from shortlist.scorers.llm.cost import TOKENS_A_WORD, Budget, Prices, Usage, expected_usage
from shortlist.scorers.llm.question import Question
from shortlist.types import Completion, Likelihood, Prompt

Answer = TypeVar("Answer")
PATIENCE = 8  # so many questions are refused before any answer, and the server is taken to refuse all


class Asking(Protocol):
    """What a method needs: answers to questions in their order, likelihoods, and a place to count repairs."""

    repairs: Counter[str]

    @property
    def model(self) -> str:
        """The model's fingerprint."""
        ...

    def ask(self, questions: Sequence[Question]) -> list[Completion]:
        """Return one answer a question; none is asked where the budget, by estimate, is not enough for all.

        The answer is empty where the prompt was refused.
        """
        ...

    def each(self, questions: Iterable[Question]) -> Iterator[Completion]:
        """Yield the answers in their order as they come, until the budget is spent; an empty one as above."""
        ...

    def likelihoods(self, questions: Iterable[Question], answer: str) -> Iterator[Likelihood | None]:
        """Yield how likely `answer` is to each question, in the same way; None where the prompt was refused."""
        ...


class Desk:
    """Asks a model, at most `concurrency` questions at once.

    A question is begun only while no cap would be passed, counted with those that are being
    answered; else BudgetSpentError is raised behind the answers that were got. GenerationError of
    any question is raised when those that had begun have ended; the others are not asked.

    A prompt that is too long for the model is written again with shorter passages, and
    `cut` says how many words were left of which. One that is refused all the same, or for
    another reason, has no answer (`refused`): the others are asked. But where nothing was
    answered and `PATIENCE` questions were refused, the refusal is raised.
    """

    def __init__(
        self, model: Generator | LikelihoodModel, *, budget: Budget, prices: Prices | None, concurrency: int
    ) -> None:
        self._model = model
        self._budget, self._prices = budget, prices
        self._concurrency = concurrency
        self._lock = threading.Lock()
        self._begun = Usage()  # what the questions that are being answered will take, as estimated
        self.usage = Usage()
        self.guessed = 0  # answers without usage, counted by their estimate
        self.unfinished = 0  # answers that ended at their limit of tokens
        self.repairs: Counter[str] = Counter()
        self.cut: dict[str, int] = {}
        self.refused: list[PromptRefusedError] = []

    @property
    def model(self) -> str:
        """The model's fingerprint."""
        return self._model.fingerprint

    def ask(self, questions: Sequence[Question]) -> list[Completion]:
        """Return one answer a question; BudgetSpentError comes first where the estimates of all pass a cap."""
        self._check(expected_usage(question.prompt()) for question in questions)
        return list(self.each(questions))

    def each(self, questions: Iterable[Question]) -> Iterator[Completion]:
        """Yield one answer a question; the model must be a Generator."""
        if not isinstance(self._model, Generator):
            raise UnsupportedModelError(f"{self._model.fingerprint} does not generate text; this method needs that")
        for answer in self._answers(questions, partial(self._generate, self._model), expected_usage):
            yield answer or Completion("")

    def likelihoods(self, questions: Iterable[Question], answer: str) -> Iterator[Likelihood | None]:
        """Yield one likelihood a question; the model must be a LikelihoodModel."""
        if not isinstance(self._model, LikelihoodModel):
            raise UnsupportedModelError(
                f"{self._model.fingerprint} does not tell how likely a given answer is; this method needs that"
            )
        expected = partial(expected_usage, written=2 * len(answer.split()) + 4)
        return self._answers(questions, partial(self._likelihood, self._model, answer), expected)

    def settle(self) -> None:
        """Raise the first refusal if there was one and nothing was answered."""
        if self.refused and not self.usage.calls:
            raise self.refused[0]

    def _check(self, expected: Iterable[Usage]) -> None:
        total = self.usage.plus(self._begun)
        for usage in expected:
            total = total.plus(usage)
        refusal = self._budget.refusal(total, self._prices)
        if refusal:
            raise BudgetSpentError(f"{refusal} would be passed by the next call")

    def _begin(self, question: Question, expected: Callable[[Prompt], Usage]) -> Usage:
        usage = expected(question.prompt())
        self._check([usage])
        with self._lock:
            self._begun = self._begun.plus(usage)
        return usage

    def _ended(self, usage: Usage) -> None:
        with self._lock:
            self._begun = self._begun.less(usage)

    def _answers(
        self, questions: Iterable[Question], ask: Callable[[Prompt], Answer], expected: Callable[[Prompt], Usage]
    ) -> Iterator[Answer | None]:
        """Yield answers in order; as many questions as there are threads wait for a thread, so that none is idle."""
        over: list[BaseException] = []  # why no other question is begun: the first failure, or nobody waits any more
        running: deque[Future[Answer | None]] = deque()

        def one(question: Question, usage: Usage) -> Answer | None:
            try:
                if over:
                    raise over[0]
                return self._answer(question, ask)
            except BaseException as error:
                over.append(error)
                raise
            finally:
                self._ended(usage)

        with ThreadPoolExecutor(self._concurrency, thread_name_prefix="shortlist-llm") as pool:
            try:
                for question in questions:
                    if len(running) >= 2 * self._concurrency:
                        yield running.popleft().result()
                    try:
                        usage = self._begin(question, expected)
                    except BudgetSpentError:  # what those took that are being answered may leave enough
                        while running:
                            yield running.popleft().result()
                        usage = self._begin(question, expected)
                    running.append(pool.submit(one, question, usage))
                while running:
                    yield running.popleft().result()
            finally:
                over.append(GenerationError("its answer is not waited for"))

    def _answer(self, question: Question, ask: Callable[[Prompt], Answer], words: int | None = None) -> Answer | None:
        """Ask with ever shorter passages until they fit; None when the prompt is refused all the same."""
        try:
            answer = ask(question.prompt(words))
        except PromptTooLongError as error:
            shorter = question.shorter(words)
            if shorter is not None:
                return self._answer(question, ask, shorter)
            self._refuse(error)
            return None
        except PromptRefusedError as error:
            self._refuse(error)
            return None
        self._note_cut(question, words)
        return answer

    def _refuse(self, error: PromptRefusedError) -> None:
        with self._lock:
            self.refused.append(error)
            hopeless = not self.usage.calls and len(self.refused) >= PATIENCE
        if hopeless:
            raise error

    def _note_cut(self, question: Question, words: int | None) -> None:
        if words is None:
            return
        with self._lock:
            for passage in question.passages:
                if count_words(passage) > words:
                    self.cut[passage] = min(words, self.cut.get(passage, words))

    def _generate(self, model: Generator, prompt: Prompt) -> Completion:
        completion = model.generate(prompt)
        with self._lock:
            self.unfinished += completion.is_cut
        written = completion.completion_tokens or round(count_words(completion.text) * TOKENS_A_WORD)
        self._count(Usage(1, completion.prompt_tokens, written), expected_usage(prompt, written=written))
        return completion

    def _likelihood(self, model: LikelihoodModel, answer: str, prompt: Prompt) -> Likelihood:
        likelihood = model.log_likelihood(prompt, answer)
        written = len(likelihood.logprobs)
        self._count(Usage(1, likelihood.prompt_tokens, written), expected_usage(prompt, written=written))
        return likelihood

    def _count(self, found: Usage, expected: Usage) -> None:
        with self._lock:
            self.guessed += found.prompt_tokens == 0
            self.usage = self.usage.plus(found if found.prompt_tokens else expected)
