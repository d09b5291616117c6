"""The composition root: settings become rerankers, indexes and pipelines."""

from shortlist.build.indexing import IndexingReport, index_paths
from shortlist.build.reranker import Reranker, rank
from shortlist.build.search import open_pipeline

__all__ = ["IndexingReport", "Reranker", "index_paths", "open_pipeline", "rank"]
