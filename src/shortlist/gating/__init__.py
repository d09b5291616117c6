"""Whether reranking is worth its time for a query."""
