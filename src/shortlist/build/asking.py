"""A question becomes an answer from an index: retrieve, rerank, pack, generate, check."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

import numpy as np

from shortlist.build.models import load_model
from shortlist.calibration.maps import ScoreMap, map_of
from shortlist.errors import GenerationError, InputError
from shortlist.generation import CheckedAnswer, Context, Order, asked, checked, pack
from shortlist.generation.packing import CountTokens, estimated_tokens
from shortlist.generation.support import ScorerJudge
from shortlist.pipeline.fused import STAGE as WITH_FIRST_STAGE
from shortlist.protocols import Generator
from shortlist.settings import DEFAULT_MODEL
from shortlist.types import Completion, Prompt, Ranking, ScoreKind
from shortlist.weights import find_packaged

Write = Callable[[str], None]


@runtime_checkable
class _Streaming(Protocol):
    def stream(self, prompt: Prompt, write: Write) -> Completion: ...


@runtime_checkable
class _Counting(Protocol):
    def count_tokens(self, text: str) -> int: ...


@dataclass(frozen=True, slots=True)
class Packing:
    """How a ranking becomes a context: see `pack`."""

    budget: int = 2000
    passages: int = 8
    order: Order | str = Order.BEST_FIRST


@dataclass(frozen=True, slots=True)
class Floor:
    """The chance that an answer is among the documents, from the best score, and below which there is none.

    `score_map` was fitted for the packaged reranker by scripts/fit_answers.py, which also says on what and how well it
    parts questions whose answer is there from those whose answer is not.
    """

    score_map: ScoreMap
    floor: float
    scorer: str
    fitted_on: str

    def chance(self, ranking: Ranking) -> float | None:
        """Return the chance for the best document; None where the scores are of another model or of no model.

        A reranker's own calibrated probability is taken as it is.
        """
        step = next((s for s in reversed(ranking.trace.steps) if "model" in s.facts), None)
        if not len(ranking):
            return 0.0
        if ranking.score_kind is ScoreKind.CALIBRATED_PROBABILITY:
            return ranking[0].score
        if step is None or weights_of(step.facts["model"]) != weights_of(self.scorer) or not ranking[0].is_scored:
            return None
        if WITH_FIRST_STAGE in {ranking.stage, *(standing.stage for standing in ranking[0].history)}:
            return None
        return float(self.score_map(np.array([ranking[0].score]))[0])


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with what was found, what was packed, the chance that it holds the answer, and the answer.

    `answer` is None where nothing was generated: `is_found` is false, or no generator was given.
    """

    ranking: Ranking
    context: Context
    chance: float | None
    floor: float
    answer: CheckedAnswer | None = None
    completion: Completion | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_found(self) -> bool:
        """Whether the documents are likely enough to hold an answer, as far as that is known."""
        return bool(self.context.passages) and (self.chance is None or self.chance >= self.floor)


def answered(
    ranking: Ranking,
    *,
    packing: Packing,
    generator: Generator | None = None,
    floor: float | None = None,
    max_tokens: int = 256,
    write: Write | None = None,
) -> Asked:
    """Pack a ranking and let a generator answer its query from it, streamed to `write` where the generator can.

    Without a `floor` the packaged one holds. Nothing is generated when the best chance is below it.
    Raises GenerationError when the generator does not answer, InputError for a budget without room for a passage.
    """
    known = packaged_floor()
    count, counting_note = _counter(generator)
    context = pack(ranking, budget=packing.budget, passages=packing.passages, order=packing.order, count_tokens=count)
    if len(ranking) and not context.passages:
        raise InputError(f"not one word of a passage fits into {packing.budget} tokens of context; give it more")
    chance = known.chance(ranking)
    least = known.floor if floor is None else floor
    notes = [*context.degradations, *counting_note]
    if chance is None:
        notes.append("no floor is known for this reranker's scores, so no question is refused before it is asked")
    bare = Asked(ranking, context, chance, least, notes=tuple(notes))
    if generator is None or not bare.is_found:
        return bare
    prompt = asked(ranking.query.text, context, max_tokens=max_tokens)
    completion = _generated(generator, prompt, write)
    answer = checked(ranking.query.text, completion.text, context, judge=packaged_judge())
    if completion.is_cut:
        notes.append(f"the answer stopped at {max_tokens} tokens")
    return Asked(ranking, context, chance, least, answer, completion, tuple(notes))


def _generated(generator: Generator, prompt: Prompt, write: Write | None) -> Completion:
    if write is not None and isinstance(generator, _Streaming):
        return generator.stream(prompt, write)
    completion = generator.generate(prompt)
    if write is not None:
        write(completion.text)
    return completion


def _counter(generator: Generator | None) -> tuple[CountTokens, tuple[str, ...]]:
    """Return the generator's own count of tokens, or an estimate where it does not tell, with a note."""
    if isinstance(generator, _Counting):
        try:
            generator.count_tokens("a tower")
        except GenerationError:
            pass
        else:
            return lru_cache(maxsize=64)(generator.count_tokens), ()
    note = "the model's server does not count tokens; the size of the context is an estimate"
    return estimated_tokens, () if generator is None else (note,)


def packaged_floor() -> Floor:
    """Return the floor of the packaged reranker."""
    told = _packaged()["answerable"]
    made: Mapping[str, Any] = told["calibration"]
    return Floor(map_of(made["method"], made["score_map"]), told["floor"], made["scorer"], made["fitted_on"])


@lru_cache(maxsize=1)
def packaged_relevance() -> ScoreMap:
    """Return the map from the packaged reranker's scores to chances of relevance; see scripts/fit_answers.py."""
    made = _packaged()["relevance"]
    return map_of(made["method"], made["score_map"])


@lru_cache(maxsize=1)
def packaged_judge() -> ScorerJudge:
    """Return the packaged reranker as a judge of support, loaded once; its threshold is scripts/fit_answers.py's."""
    told = _packaged()["support"]
    statements = int(told["statements"])
    return ScorerJudge(load_model(DEFAULT_MODEL), told["threshold"], told["balanced_accuracy"], statements)


def weights_of(fingerprint: str) -> tuple[str, ...]:
    """Return the weights that a fingerprint names, with their shares of a sum and the map of the queries' vectors.

    Engine and precision, which move scores little, are left out.
    """
    return tuple(re.findall(r"[\d.e+-]+ x |[\w.-]+@[0-9a-f]{12}|mapped [0-9a-f]{12}", fingerprint))


def _packaged() -> Mapping[str, Any]:
    model = find_packaged(DEFAULT_MODEL)
    assert model is not None
    told: Mapping[str, Any] = json.loads((model.folder / "answers.json").read_text(encoding="utf-8"))
    return told
