"""A model that is cut into stages, run on ever fewer sequences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from shortlist.inference.batches import pad, plan_batches
from shortlist.inference.engine import TOKEN_BUDGET
from shortlist.inference.forks import Streams
from shortlist.inference.session import GraphSession, Output
from shortlist.inference.tokens import ModelInput, Tokenizer

Hidden = npt.NDArray[np.float32]


class Stages:
    """A tokenizer and one session a stage, as `export_stages` writes them. `close` ends the threads."""

    def __init__(self, tokenizer: Tokenizer, sessions: Sequence[GraphSession]) -> None:
        self.tokenizer = tokenizer
        self.sessions = tuple(sessions)
        self._streams = Streams(sessions[0].streams, "shortlist-stage")

    def begin(self, inputs: Sequence[ModelInput]) -> Passage:
        """Return a pass over `inputs` of which no stage has run yet."""
        return Passage(self, inputs)

    def run(
        self, stage: int, inputs: Sequence[ModelInput], hidden: Sequence[Hidden | None]
    ) -> list[tuple[float, Hidden | None]]:
        """Return for each input the stage's logit, and its hidden states `[length, width]` unless it is the last."""
        plan = plan_batches([len(one) for one in inputs], token_budget=TOKEN_BUDGET)
        found: list[tuple[float, Hidden | None]] = [(0.0, None)] * len(inputs)

        def batch(places: list[int]) -> None:
            chosen, states = [inputs[place] for place in places], [hidden[place] for place in places]
            logits, *after = self.sessions[stage].run(self._feeds(stage, chosen, states))
            for row, place in enumerate(places):
                kept = after[0][row, : len(inputs[place])].copy() if after else None
                found[place] = (float(logits[row, 0]), kept)

        self._streams.map(batch, plan)
        return found

    def _feeds(
        self, stage: int, inputs: Sequence[ModelInput], hidden: Sequence[Hidden | None]
    ) -> dict[str, npt.NDArray[np.int64] | Hidden]:
        batch = pad(inputs, pad_id=self.tokenizer.pad_id)
        if not stage:
            return {
                "input_ids": batch.input_ids,
                "attention_mask": batch.attention_mask,
                "token_type_ids": batch.token_type_ids,
            }
        width = next(states.shape[1] for states in hidden if states is not None)
        padded = np.zeros((*batch.input_ids.shape, width), dtype=np.float32)  # [batch, length, width]
        for row, states in enumerate(hidden):
            if states is not None:
                padded[row, : len(states)] = states
        return {"hidden": padded, "attention_mask": batch.attention_mask}

    def close(self) -> None:
        """End the worker threads."""
        self._streams.close()


class Passage:
    """The sequences of one query on their way through the stages; what is not asked on is let go.

    Equal sequences are one row, so that they have exactly equal logits.
    """

    def __init__(self, stages: Stages, inputs: Sequence[ModelInput]) -> None:
        distinct = {one.key: one for one in inputs}
        rows = {key: row for row, key in enumerate(distinct)}
        self._stages = stages
        self._inputs = list(distinct.values())
        self._row = [rows[one.key] for one in inputs]
        self._hidden: dict[int, Hidden | None] = dict.fromkeys(range(len(self._inputs)))
        self._next = 0

    def advance(self, places: Sequence[int]) -> Output:
        """Run the next stage for the inputs at `places`, which the stage before must have run for; return logits."""
        rows = list(dict.fromkeys(self._row[place] for place in places))
        hidden = [self._hidden[row] for row in rows]
        results = self._stages.run(self._next, [self._inputs[row] for row in rows], hidden)
        self._hidden = {row: states for row, (_, states) in zip(rows, results, strict=True)}
        self._next += 1
        logits = {row: logit for row, (logit, _) in zip(rows, results, strict=True)}
        return np.asarray([logits[self._row[place]] for place in places], dtype=np.float32)
