"""Sequences of many lengths into batches with next to no padding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shortlist.inference.tokens import ModelInput

Matrix = npt.NDArray[np.int64]
LEAST_TOKENS = 128  # below that, a second stream saves less than a second call costs


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Padded model inputs, each `[rows, length]`."""

    input_ids: Matrix
    attention_mask: Matrix
    token_type_ids: Matrix


def plan_batches(
    lengths: Sequence[int], *, token_budget: int, length_step: int = 1, streams: int = 1
) -> list[list[int]]:
    """Group the places of sequences, longest first, so that no batch holds over `token_budget` padded tokens.

    A sequence longer than the budget has a batch of its own. Every place is in exactly
    one batch. Neighbours in length share a batch, so that padding stays small. Batches will
    be padded to a multiple of `length_step`. For several `streams` batches are made alike in size, and
    as many that none of the streams is idle, unless they would be very small.
    """
    order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    padded = [padded_length(length, length_step) for length in lengths]
    batches = _filled(order, padded, token_budget, math.inf)
    if streams == 1:
        return batches
    turns = math.ceil(len(batches) / streams)
    return _filled(order, padded, token_budget, max(LEAST_TOKENS, sum(padded) / max(1, turns * streams)))


def _filled(order: Sequence[int], lengths: Sequence[int], most: int, enough: float) -> list[list[int]]:
    """Fill batches in this order, each until it has `enough` tokens or the next sequence would make it over `most`."""
    batches: list[list[int]] = []
    for place in order:
        if batches:
            rows, longest = len(batches[-1]), lengths[batches[-1][0]]
            if rows * longest < enough and (rows + 1) * longest <= most:
                batches[-1].append(place)
                continue
        batches.append([place])
    return batches


def padded_length(length: int, step: int) -> int:
    """Round a length up to a multiple of `step`."""
    return -(-length // step) * step


def pad(inputs: Sequence[ModelInput], *, pad_id: int, length_step: int = 1) -> Batch:
    """Pad sequences on the right to the longest, rounded up to a multiple of `length_step`."""
    shape = (len(inputs), padded_length(max(len(i) for i in inputs), length_step))
    ids, mask, types = np.full(shape, pad_id, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for row, one in enumerate(inputs):
        ids[row, : len(one)] = one.ids
        mask[row, : len(one) if one.attended is None else one.attended] = 1
        types[row, one.second_at : len(one)] = 1
    return Batch(ids, mask, types)
