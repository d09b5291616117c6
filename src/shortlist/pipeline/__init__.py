"""A query's way: retrieve wide, rerank, keep the few; and what stands when a stage fails."""

from shortlist.pipeline.breaker import Breaker, Circuit
from shortlist.pipeline.fallback import Fallback
from shortlist.pipeline.pipeline import Pipeline

__all__ = ["Breaker", "Circuit", "Fallback", "Pipeline"]
