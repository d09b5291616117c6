"""A query's way: retrieve wide, rerank, keep the few."""

from shortlist.pipeline.pipeline import Pipeline

__all__ = ["Pipeline"]
