"""Sessions on our own kernel for BERT encoders: bf16 on the matrix unit of Intel processors (AMX)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np

from shortlist._optional import require
from shortlist.errors import UnsupportedModelError
from shortlist.inference.batches import Batch
from shortlist.inference.cores import usable_cores
from shortlist.inference.native_weights import NativeWeights, packed
from shortlist.inference.session import Output, Precision


class NativeSession:
    """An encoder that reads packed sequences, so that padding costs nothing; a call computes on its own thread.

    A sequence's row is the same to the bit whatever else is in the batch.
    """

    device = "cpu"
    precision = Precision.BF16

    def __init__(self, weights: NativeWeights, *, streams: int) -> None:
        self._kernel = kernel()
        self._sizes, self._tensors = astuple(weights.sizes), weights.tensors
        self._columns = weights.sizes.labels or weights.sizes.hidden
        self.engine = f"native {self._kernel.__version__}"
        self.streams = streams

    @classmethod
    def load(
        cls,
        graph: Path,
        cache: Path,
        *,
        config: Mapping[str, Any],
        precision: Precision = Precision.AUTO,
        threads: int | None = None,
    ) -> NativeSession:
        """Open a graph that shortlist exported of a BERT model; what is packed of it is kept in the folder `cache`.

        `config` is the model's. Raises UnsupportedModelError for another precision than bf16, for a processor without
        AMX and for other encoders, MissingExtraError where the kernel is not installed.
        """
        kernel()
        if precision not in {Precision.AUTO, Precision.BF16}:
            raise UnsupportedModelError(f"the native engine computes in bf16 only; got precision={precision.value!r}")
        if not cache.is_dir():
            packed(graph, config).save(cache)
        return cls(NativeWeights.load(cache), streams=threads or usable_cores())

    def infer(self, batch: Batch) -> Output:
        """Run the tokens that the mask shows; those behind them are seen by none and are left out."""
        seen = batch.attention_mask.astype(bool)
        lengths = seen.sum(axis=1, dtype=np.int32)
        ids, types = batch.input_ids[seen].astype(np.int32), batch.token_type_ids[seen].astype(np.uint8)
        results = np.empty((len(lengths), self._columns), np.float32)
        self._kernel.encode(self._sizes, self._tensors, ids, types, lengths, results)
        return results


def kernel() -> Any:
    """Import the kernel. Raises MissingExtraError when it is not installed, UnsupportedModelError without AMX."""
    found = require("shortlist_native", extra="native")
    if not found.supported():
        raise UnsupportedModelError(
            "the native engine needs a processor with AMX and bf16 and Linux 5.16 or later; use engine='auto'"
        )
    return found
