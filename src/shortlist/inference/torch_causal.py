"""Sessions on torch for causal language models: the logits of a few tokens at each sequence's last position."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

from shortlist.inference.batches import Batch
from shortlist.inference.forks import stay_in_process
from shortlist.inference.models import ModelFolder
from shortlist.inference.session import Output, Precision
from shortlist.inference.tokens import Ids
from shortlist.inference.torch_answers import keep_answers
from shortlist.inference.torch_checkpoint import engine_name, load_pretrained
from shortlist.inference.torch_device import Placement, memory_errors


class CausalSession:
    """A decoder whose output layer holds only the answers' rows.

    Sequences are padded on the right, behind the position that is read, so that causal
    attention never sees padding: no mask and no padding token are needed, and a prefix
    can be shared. One batch runs at a time, on all of torch's threads.
    """

    streams = 1

    def __init__(self, model: Any, *, placement: Placement) -> None:
        self._model = model
        self._placement = placement
        self.engine = engine_name()
        self.precision = placement.precision
        self.device = str(placement.device)
        self.shares_prefix = _attends_to_everything(model.config)
        named = inspect.signature(model.forward).parameters
        self._cache_name = "cache" if "cache" in named else "past_key_values"  # renamed in transformers 5.24

    @classmethod
    def load(
        cls,
        folder: ModelFolder,
        *,
        answers: Sequence[int],
        precision: Precision = Precision.AUTO,
        device: str = "auto",
    ) -> CausalSession:
        """Load a `*ForCausalLM` folder and keep the output rows of the token ids `answers`."""
        placement = Placement.choose(device, precision)
        model = load_pretrained(folder, suffix="ForCausalLM", placement=placement)
        keep_answers(model, answers)
        return cls(model, placement=placement)

    def infer(self, batch: Batch) -> Output:
        """Return the answers' logits `[rows, answers]` at the last position of each row."""
        return self.last_position(batch, None)

    def after(self, prefix: Ids) -> Continuation:
        """Return a session whose every sequence continues `prefix`; needs `shares_prefix`."""
        return Continuation(self, prefix)

    def read(self, prefix: Ids) -> Cache:
        """Return the keys and values of `prefix` `[length]`."""
        stay_in_process("torch")
        with memory_errors(), torch.inference_mode():
            ids = torch.from_numpy(prefix.astype(np.int64))[None].to(self._placement.device)
            cache = DynamicCache()
            self._model(input_ids=ids, use_cache=True, **{self._cache_name: cache})
            return Cache(layers=[PrefixLayer(layer.keys, layer.values) for layer in cache.layers])

    def last_position(self, batch: Batch, past: Cache | None) -> Output:
        """Return what `infer` does, with each row behind `past`, which is not changed."""
        stay_in_process("torch")
        with memory_errors(), torch.inference_mode():
            ids = torch.from_numpy(batch.input_ids).to(self._placement.device)  # [rows, length]
            last = torch.from_numpy(batch.attention_mask.sum(1) - 1).to(self._placement.device)
            behind = {} if past is None else {self._cache_name: past}
            logits = self._model(input_ids=ids, use_cache=past is not None, **behind).logits
            at_last = logits[torch.arange(len(ids), device=ids.device), last]  # [rows, answers]
            return np.asarray(at_last.float().cpu().numpy())


class Continuation:
    """A causal session behind a prefix, which is read once, at the first batch."""

    def __init__(self, session: CausalSession, prefix: Ids) -> None:
        self._session = session
        self._prefix = prefix
        self._past: Cache | None = None
        self._lock = threading.Lock()
        self.engine = session.engine
        self.precision = session.precision
        self.device = session.device
        self.streams = session.streams

    def infer(self, batch: Batch) -> Output:
        """Return the answers' logits `[rows, answers]` at the last position of each row."""
        with self._lock:
            if self._past is None:
                self._past = self._session.read(self._prefix)
        return self._session.last_position(batch, self._past)


class PrefixLayer(DynamicLayer):
    """One layer's keys and values of a prefix `[1, heads, length, size]`, the same for every row of every batch.

    transformers' own layer keeps what is appended. This one does not, so that it can be
    used again, and one layer's joined keys are freed before the next layer's are made.
    """

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        super().__init__()
        self.lazy_initialization(keys, values)
        self.keys, self.values = keys, values

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Return the prefix's keys and values with the new ones behind them."""
        rows = (len(key_states), -1, -1, -1)
        return (
            torch.cat([self.keys.expand(rows), key_states], dim=-2),
            torch.cat([self.values.expand(rows), value_states], dim=-2),
        )


def _attends_to_everything(config: Any) -> bool:
    """Whether every layer is full attention: a sliding window would have to forget parts of the prefix."""
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    return kinds == {"full_attention"} and not getattr(config, "sliding_window", None)
