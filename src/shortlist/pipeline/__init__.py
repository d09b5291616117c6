"""A query's way: retrieve wide, rerank, keep the few; and what stands when a stage fails."""

from shortlist.pipeline.breaker import Breaker, Circuit, PlainBreaker
from shortlist.pipeline.budgeted import Budgeted, Level
from shortlist.pipeline.cascade import Cascade
from shortlist.pipeline.cheap_first import CheapFirst
from shortlist.pipeline.diverse import diversified, with_vectors
from shortlist.pipeline.fallback import Fallback
from shortlist.pipeline.pipeline import Pipeline

__all__ = [
    "Breaker",
    "Budgeted",
    "Cascade",
    "CheapFirst",
    "Circuit",
    "Fallback",
    "Level",
    "Pipeline",
    "PlainBreaker",
    "diversified",
    "with_vectors",
]
