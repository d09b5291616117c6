"""The composition root: settings become rerankers, indexes and pipelines."""
