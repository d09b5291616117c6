"""One engine for library, batch and server: sequences in any order in, output rows in that order out."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from shortlist.inference.batches import pad, plan_batches
from shortlist.inference.session import Output, Session
from shortlist.inference.tokens import ModelInput, Tokenizer

# Measured on a short, a medium and a long text: see docs/decisions.md, "Tokens in a batch".
TOKEN_BUDGET = 1024


class Engine:
    """A tokenizer and a session, with length-sorted batches spread over the session's streams.

    Safe to call from several threads; they share the streams. `close` ends the threads.
    """

    def __init__(self, tokenizer: Tokenizer, session: Session, *, token_budget: int = TOKEN_BUDGET) -> None:
        self.tokenizer = tokenizer
        self.session = session
        self._token_budget = token_budget
        self._pool = ThreadPoolExecutor(session.streams, thread_name_prefix="shortlist-infer")

    def run(self, inputs: Sequence[ModelInput]) -> Output:
        """Return the model's output rows `[inputs, columns]` in the order of `inputs`; at least one is needed.

        Equal inputs are computed once, so that equal texts have exactly equal scores.
        """
        keys = [_key(one) for one in inputs]
        distinct = list(dict(zip(keys, inputs, strict=True)).values())
        row = {key: place for place, key in enumerate(dict.fromkeys(keys))}
        plan = plan_batches([len(i) for i in distinct], token_budget=self._token_budget)
        outputs = list(self._pool.map(lambda places: self._infer([distinct[p] for p in places]), plan))
        rows = np.empty((len(distinct), outputs[0].shape[1]), dtype=np.float32)
        for places, output in zip(plan, outputs, strict=True):
            rows[places] = output
        return rows[[row[key] for key in keys]]

    def run_tokens(self, inputs: Sequence[ModelInput]) -> list[Output]:
        """Return one matrix `[length, columns]` an input, in the order of `inputs`, of a model with a row a token.

        Equal inputs are computed once here too.
        """
        distinct = list({_key(one): one for one in inputs}.values())
        plan = plan_batches([len(i) for i in distinct], token_budget=self._token_budget)
        outputs = self._pool.map(lambda places: self._infer([distinct[p] for p in places]), plan)
        found = {
            _key(distinct[place]): rows[: len(distinct[place])]
            for places, output in zip(plan, outputs, strict=True)
            for place, rows in zip(places, output, strict=True)  # [batch, length, columns]
        }
        return [found[_key(one)] for one in inputs]

    def _infer(self, inputs: Sequence[ModelInput]) -> Output:
        return self.session.infer(pad(inputs, pad_id=self.tokenizer.pad_id))

    def close(self) -> None:
        """End the worker threads."""
        self._pool.shutdown()


def _key(one: ModelInput) -> tuple[bytes, int, int | None]:
    """Equal for inputs that the model cannot tell apart."""
    return one.ids.tobytes(), one.second_at, one.attended
