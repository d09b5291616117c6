"""A static table fitted to texts: sums of its rows come near the vectors that an encoder gives the same texts.

Ridge regression towards the rows that there were before, by conjugate gradients. Learning a static model from an
encoder's vectors of texts is model2vec's second step too (tokenlearn, https://github.com/MinishLab/tokenlearn).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from shortlist.inference.tokens import Ids

Matrix = npt.NDArray[np.float32]

STRENGTH = 0.1
STEPS = 24

_TOKENS_AT_ONCE = 200_000  # what is gathered of a table at a time: 200 MB at 256 dimensions


class Bags:
    """Texts as a matrix `[texts, vocabulary]` of token counts over the root of a text's length, none of them empty."""

    def __init__(self, texts: Sequence[Ids], vocabulary: int) -> None:
        lengths = np.array([len(ids) for ids in texts])
        self._ids, self._vocabulary = np.concatenate(list(texts)), vocabulary
        self._scale = (1 / np.sqrt(lengths)).astype(np.float32)[:, None]  # a sum's length grows so
        self._starts = np.cumsum(lengths) - lengths
        by_token = np.argsort(self._ids, kind="stable")
        self._owners = np.repeat(np.arange(len(lengths)), lengths)[by_token]
        self._tokens, self._token_starts = np.unique(self._ids[by_token], return_index=True)

    def times(self, table: Matrix) -> Matrix:
        """Return the texts' sums `[texts, dimension]` of a table `[vocabulary, dimension]`."""
        sums: Matrix = _sums(table, self._ids, self._starts) * self._scale
        return sums

    def transposed_times(self, vectors: Matrix) -> Matrix:
        """Return for each token the sum `[vocabulary, dimension]` over the texts that hold it."""
        found = np.zeros((self._vocabulary, vectors.shape[1]), np.float32)
        found[self._tokens] = _sums(vectors * self._scale, self._owners, self._token_starts)
        return found


def fitted(table: Matrix, bags: Bags, vectors: Matrix, *, strength: float = STRENGTH, steps: int = STEPS) -> Matrix:
    """Return a table near `table` `[vocabulary, dimension]` whose sums are near `vectors` `[texts, dimension]`.

    `strength` weighs the squared distance from `table` against that from the vectors, of which one counts 1.
    Rows of tokens that no text holds are only scaled.
    """
    before = bags.times(table)
    share = np.float32((before * vectors).sum() / max(float((before * before).sum()), 1e-12))
    change = np.zeros_like(table)
    rest = bags.transposed_times(vectors - share * before)
    direction, size = rest.copy(), (rest * rest).sum(axis=0)
    for _ in range(steps):
        curved = bags.transposed_times(bags.times(direction)) + np.float32(strength) * direction
        step = size / np.maximum((direction * curved).sum(axis=0), 1e-12)
        change += step * direction
        rest -= step * curved
        left = (rest * rest).sum(axis=0)
        direction = rest + left / np.maximum(size, 1e-12) * direction
        size = left
    return share * table + change


def _sums(rows: Matrix, places: npt.NDArray[np.integer], starts: npt.NDArray[np.integer]) -> Matrix:
    """Sum `rows[places]` from each start to the next, some at a time."""
    ends = np.append(starts[1:], len(places))
    sums = np.empty((len(starts), rows.shape[1]), np.float32)
    first = 0
    while first < len(starts):
        last = max(first + 1, int(np.searchsorted(ends, starts[first] + _TOKENS_AT_ONCE, side="right")))
        gathered = rows[places[starts[first] : ends[last - 1]]]
        sums[first:last] = np.add.reduceat(gathered, starts[first:last] - starts[first], axis=0)
        first = last
    return sums
