"""Hard negatives: passages that BM25 or the bi-encoder ranks high for a query and that are not its positive."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shortlist.training.groups import Group, Pair

Floats = npt.NDArray[np.float32]
Encode = Callable[[Sequence[str]], Floats]


@dataclass(frozen=True, slots=True)
class Mining:
    """How negatives are drawn.

    `depth`: candidates taken from each of BM25 and the bi-encoder.
    `lexical`, `dense`: negatives drawn from each list, without replacement.
    `duplicate_cosine`: a candidate this near to the positive passage is taken for the
    same passage in other words and left out, so that false negatives stay few. The
    query-side similarity is not used for that: it would remove just the groups where
    the bi-encoder is wrong, which are the ones a cross-encoder has to learn from.
    """

    depth: int = 30
    lexical: int = 3
    dense: int = 2
    duplicate_cosine: float = 0.9
    seed: int = 0


def mine(pairs: Sequence[Pair], distractors: Sequence[str], encode: Encode, options: Mining) -> Iterator[Group]:
    """Yield one group a pair, negatives drawn from the pairs' own passages and the distractors."""
    passages = list(dict.fromkeys([*(p.passage for p in pairs), *distractors]))
    place = {text: i for i, text in enumerate(passages)}
    positives: dict[str, set[int]] = defaultdict(set)
    for pair in pairs:
        positives[pair.query].add(place[pair.passage])
    passage_vectors = encode(passages)  # [passages, dim], unit length
    query_vectors = encode([p.query for p in pairs])  # [pairs, dim]
    lexical = _bm25_top(passages, [p.query for p in pairs], options.depth)
    rng = np.random.default_rng(options.seed)
    for row, pair in enumerate(pairs):
        similarity = passage_vectors @ query_vectors[row]  # [passages]
        dense = np.argpartition(-similarity, min(options.depth, len(passages) - 1))[: options.depth]
        positive = place[pair.passage]
        same = passage_vectors @ passage_vectors[positive] > options.duplicate_cosine
        banned = positives[pair.query] | set(np.flatnonzero(same).tolist())
        negatives = _draw(lexical[row].tolist(), banned, options.lexical, rng)
        negatives += _draw(dense.tolist(), banned | set(negatives), options.dense, rng)
        if len(negatives) < options.lexical + options.dense:
            spare = rng.integers(0, len(passages), 4 * (options.lexical + options.dense)).tolist()
            negatives += _draw(spare, banned | set(negatives), options.lexical + options.dense - len(negatives), rng)
        chosen = [positive, *negatives]
        yield Group(
            pair.query,
            tuple(passages[i] for i in chosen),
            tuple(round(float(similarity[i]), 4) for i in chosen),
            pair.source,
        )


def _draw(candidates: Sequence[int], banned: set[int], count: int, rng: np.random.Generator) -> list[int]:
    allowed = [c for c in dict.fromkeys(candidates) if c not in banned]
    rng.shuffle(allowed)
    return allowed[:count]


def _bm25_top(passages: Sequence[str], queries: Sequence[str], depth: int) -> npt.NDArray[np.int64]:
    import bm25s

    index = bm25s.BM25(k1=0.9, b=0.4)
    index.index(bm25s.tokenize(list(passages), stopwords="en", show_progress=False), show_progress=False)
    tokens = bm25s.tokenize(list(queries), stopwords="en", show_progress=False)
    found, _ = index.retrieve(tokens, k=min(depth, len(passages)), show_progress=False, n_threads=2)
    return np.asarray(found, dtype=np.int64)
