"""Sessions on our own kernel for encoders like BERT: bf16 or int8 with AMX, int16 with AVX2."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np

from shortlist.errors import CorruptModelError
from shortlist.inference.batches import Batch
from shortlist.inference.cores import usable_cores
from shortlist.inference.kernel import kernel
from shortlist.inference.native_peaks import measured_peaks
from shortlist.inference.native_weights import NativeWeights, check_model, packed
from shortlist.inference.ready_made import Head
from shortlist.inference.session import Output, Precision
from shortlist.inference.tokens import ModelInput


class NativeSession:
    """An encoder that reads packed sequences, so that padding costs nothing; a call computes on its own thread.

    A sequence's row is the same to the bit whatever else is in the batch.
    """

    device = "cpu"

    def __init__(self, weights: NativeWeights, *, streams: int) -> None:
        self._kernel = kernel()
        self._sizes, self._tensors = astuple(weights.sizes), weights.tensors
        self._columns = weights.sizes.labels or weights.sizes.hidden
        self._tells_texts_apart = weights.sizes.types > 1  # a graph of a single token type has no such input either
        self.precision = Precision(weights.sizes.precision)
        self.engine = f"native {self._kernel.__version__}"
        self.streams = streams

    @classmethod
    def load(
        cls,
        graph: Callable[[], Path],
        cache: Path,
        *,
        config: Mapping[str, Any],
        head: Head,
        calibration: Callable[[], Sequence[ModelInput]],
        precision: Precision,
        threads: int | None = None,
    ) -> NativeSession:
        """Open a graph that shortlist exported for `head`; what is packed of it is kept in `cache`.

        `config` is the model's, `cache` a folder that need not be there yet, and `graph` is asked for only when nothing
        is kept in it. `precision` is one that `resolved` gave. In int8 are the products that read a norm's output, four
        of six: rows are rounded as they come, channels scaled by what they reach on `calibration`, which is asked for
        when nothing is kept yet. Raises UnsupportedModelError for other encoders, MissingExtraError where the kernel is
        not installed.
        """
        check_model(config, head)

        def made() -> NativeWeights:
            file = graph()
            if precision is not Precision.INT8:
                return packed(file, config, head, precision)
            peaks = measured_peaks(file, calibration(), pad_id=int(config.get("pad_token_id") or 0))
            return packed(file, config, head, precision, peaks)

        return cls(_kept(cache, made), streams=threads or usable_cores())

    def infer(self, batch: Batch) -> Output:
        """Run the tokens that the mask shows; those behind them are seen by none and are left out."""
        seen = batch.attention_mask.astype(bool)
        lengths = seen.sum(axis=1, dtype=np.int32)
        ids, types = batch.input_ids[seen].astype(np.int32), batch.token_type_ids[seen].astype(np.uint8)
        if not self._tells_texts_apart:
            types[:] = 0
        results = np.empty((len(lengths), self._columns), np.float32)
        self._kernel.encode(self._sizes, self._tensors, ids, types, lengths, results)
        return results


def _kept(cache: Path, make: Callable[[], NativeWeights]) -> NativeWeights:
    """Return what is kept, or make it anew where that is missing or damaged."""
    try:
        return NativeWeights.load(cache)
    except CorruptModelError:
        shutil.rmtree(cache, ignore_errors=True)
    made = make()
    try:
        made.save(cache)
    except OSError:  # a cache that cannot be written: the next start packs again
        return made
    return NativeWeights.load(cache)
