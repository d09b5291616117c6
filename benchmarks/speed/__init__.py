"""How fast reranking is, beside a peer with the same weights."""
