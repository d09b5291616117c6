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
    `lexical`, `dense`: negatives drawn from each list, without replacement; `random`: from all passages.
    `duplicate_cosine`: a candidate this near to the positive passage is taken for the
    same passage in other words and left out, so that false negatives stay few. The
    query-side similarity is not used for that: it would remove just the groups where
    the bi-encoder is wrong, which are the ones a cross-encoder has to learn from.
    """

    depth: int = 30
    lexical: int = 3
    dense: int = 2
    random: int = 0
    duplicate_cosine: float = 0.9
    seed: int = 0

    @property
    def negatives(self) -> int:
        """How many negatives a group has."""
        return self.lexical + self.dense + self.random


def mine(pairs: Sequence[Pair], distractors: Sequence[str], encode: Encode, options: Mining) -> Iterator[Group]:
    """Yield one group a pair, negatives drawn from the pairs' own passages and the distractors."""
    passages = list(dict.fromkeys([*(p.passage for p in pairs), *distractors]))
    place = {text: i for i, text in enumerate(passages)}
    positives: dict[str, set[int]] = defaultdict(set)
    for pair in pairs:
        positives[pair.query].add(place[pair.passage])
    passage_vectors = encode(passages)  # [passages, dim], unit length
    query_vectors = encode([p.query for p in pairs])  # [pairs, dim]
    lexical_scores = _bm25(passages)
    rng = np.random.default_rng(options.seed)
    for row, pair in enumerate(pairs):
        similarity = passage_vectors @ query_vectors[row]  # [passages]
        lexical = lexical_scores(pair.query)  # [passages]
        positive = place[pair.passage]
        same = passage_vectors @ passage_vectors[positive] > options.duplicate_cosine
        banned = positives[pair.query] | set(np.flatnonzero(same).tolist())
        negatives = _draw(_top(lexical, options.depth), banned, options.lexical, rng)
        negatives += _draw(_top(similarity, options.depth), banned | set(negatives), options.dense, rng)
        missing = options.negatives - len(negatives)
        spare = rng.integers(0, len(passages), 4 * missing + 8).tolist()
        negatives += _draw(spare, banned | set(negatives), missing, rng)
        chosen = [positive, *negatives]
        yield Group(
            pair.query,
            tuple(passages[i] for i in chosen),
            tuple(round(float(similarity[i]), 4) for i in chosen),
            pair.source,
            tuple(round(float(lexical[i]), 3) for i in chosen),
        )


def _draw(candidates: Sequence[int], banned: set[int], count: int, rng: np.random.Generator) -> list[int]:
    allowed = [c for c in dict.fromkeys(candidates) if c not in banned]
    rng.shuffle(allowed)
    return allowed[:count]


def _top(scores: Floats, depth: int) -> list[int]:
    return [int(i) for i in np.argpartition(-scores, min(depth, len(scores) - 1))[:depth]]


def _bm25(passages: Sequence[str]) -> Callable[[str], Floats]:
    """Return what scores a query against every passage, `[passages]`; 0 everywhere for a query without known words."""
    import bm25s

    index = bm25s.BM25(k1=0.9, b=0.4)
    index.index(bm25s.tokenize(list(passages), stopwords="en", show_progress=False), show_progress=False)
    nothing = np.zeros(len(passages), dtype=np.float32)

    def scores(query: str) -> Floats:
        words = bm25s.tokenize([query], stopwords="en", return_ids=False, show_progress=False)[0]
        known = [word for word in words if word in index.vocab_dict]
        return np.asarray(index.get_scores(known), dtype=np.float32) if known else nothing

    return scores
