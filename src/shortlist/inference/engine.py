"""One engine for library, batch and server: sequences in any order in, output rows in that order out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shortlist.errors import OutOfMemoryError
from shortlist.inference.batches import Batch, pad, plan_batches
from shortlist.inference.forks import Streams
from shortlist.inference.session import Output, Session
from shortlist.inference.tokens import ModelInput, Tokenizer

# Measured on a short, a medium and a long text: see docs/decisions.md, "Tokens in a batch".
TOKEN_BUDGET = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Inferred:
    """The output rows `[inputs, columns]`, and in words what had to give way for them."""

    rows: Output
    degradations: tuple[str, ...] = ()


class Engine:
    """A tokenizer and a session, with length-sorted batches spread over the session's streams.

    Batches are padded to multiples of `length_step`, so that there are few shapes. With a `token_budget` of 1
    every sequence has a batch of its own, and its row is the same to the bit whatever it comes with.
    Safe to call from several threads; they share the streams. `close` ends the threads.
    """

    def __init__(
        self, tokenizer: Tokenizer, session: Session, *, token_budget: int = TOKEN_BUDGET, length_step: int = 1
    ) -> None:
        self.tokenizer = tokenizer
        self.session = session
        self._token_budget = token_budget
        self._length_step = length_step
        self._streams = Streams(session.streams, "shortlist-infer")

    @property
    def facts(self) -> Mapping[str, str]:
        """What runs where and how, for a step; batches are padded to multiples of `length_step` tokens."""
        session = self.session
        return {
            "engine": session.engine,
            "device": session.device,
            "precision": session.precision.value,
            "streams": str(session.streams),
            "length_step": str(self._length_step),
        }

    def run(self, inputs: Sequence[ModelInput]) -> Output:
        """Return the rows of `infer` alone."""
        return self.infer(inputs).rows

    def infer(self, inputs: Sequence[ModelInput], *, session: Session | None = None) -> Inferred:
        """Return the model's output rows `[inputs, columns]` in the order of `inputs`; at least one is needed.

        Equal inputs are computed once, so that equal texts have exactly equal scores.
        `session` stands in for the engine's own, which it must be made from: one that has
        read a prefix. A batch that does not fit into memory is halved, and that is said;
        any other error is passed on at once, and so is OutOfMemoryError for a batch of one.
        """
        chosen = session or self.session
        keys = [one.key for one in inputs]
        distinct = list(dict(zip(keys, inputs, strict=True)).values())
        row = {key: place for place, key in enumerate(dict.fromkeys(keys))}
        plan = self._plan(distinct)
        outputs = self._streams.map(lambda places: self._fitting(chosen, [distinct[p] for p in places]), plan)
        parts = [part for parts in outputs for part in parts]
        rows = np.empty((len(distinct), parts[0].shape[1]), dtype=np.float32)
        rows[[place for places in plan for place in places]] = np.concatenate(parts)
        return Inferred(rows[[row[key] for key in keys]], _halvings(outputs))

    def run_tokens(self, inputs: Sequence[ModelInput]) -> list[Output]:
        """Return one matrix `[length, columns]` an input, in the order of `inputs`, of a model with a row a token.

        Equal inputs are computed once here too.
        """
        distinct = list({one.key: one for one in inputs}.values())
        plan = self._plan(distinct)
        outputs = self._streams.map(lambda places: self.session.infer(self._pad([distinct[p] for p in places])), plan)
        found = {
            distinct[place].key: rows[: len(distinct[place])]
            for places, output in zip(plan, outputs, strict=True)
            for place, rows in zip(places, output, strict=True)  # [batch, length, columns]
        }
        return [found[one.key] for one in inputs]

    def _plan(self, inputs: Sequence[ModelInput]) -> list[list[int]]:
        lengths = [len(one) for one in inputs]
        return plan_batches(
            lengths, token_budget=self._token_budget, length_step=self._length_step, streams=self.session.streams
        )

    def _pad(self, inputs: Sequence[ModelInput]) -> Batch:
        return pad(inputs, pad_id=self.tokenizer.pad_id, length_step=self._length_step)

    def _fitting(self, session: Session, inputs: Sequence[ModelInput]) -> list[Output]:
        """Infer one batch, or its halves in turn when it does not fit into memory."""
        try:
            return [session.infer(self._pad(inputs))]
        except OutOfMemoryError:
            if len(inputs) == 1:
                raise
        # outside of the handler, whose traceback would keep the failed batch's tensors alive
        half = (len(inputs) + 1) // 2
        return self._fitting(session, inputs[:half]) + self._fitting(session, inputs[half:])

    def close(self) -> None:
        """End the worker threads."""
        self._streams.close()


def _halvings(outputs: Sequence[Sequence[Output]]) -> tuple[str, ...]:
    split = [parts for parts in outputs if len(parts) > 1]
    if not split:
        return ()
    smallest = min(len(part) for parts in split for part in parts)
    return (f"{len(split)} batches did not fit into memory and were halved, down to {smallest} sequences",)
