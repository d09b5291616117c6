"""A query's way: retrieve wide, rerank, keep the few."""

from shortlist.pipeline.budgeted import Budgeted, Level
from shortlist.pipeline.cascade import Cascade
from shortlist.pipeline.pipeline import Pipeline

__all__ = ["Budgeted", "Cascade", "Level", "Pipeline"]
