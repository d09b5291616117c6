"""Rerank what Elasticsearch found: its hits keep everything, and come back in a better order.

pip install elasticsearch
python examples/rerank_elasticsearch.py http://localhost:9200 my-index body "How do I sort by two keys?"
"""

from __future__ import annotations

import sys
from typing import Any

from elasticsearch import Elasticsearch

from shortlist import Document, Reranker


def search(client: Elasticsearch, reranker: Reranker, index: str, field: str, question: str) -> list[dict[str, Any]]:
    """Return the five best hits of the first fifty, best first, each with the reranker's `_rerank_score`."""
    found = client.search(index=index, query={"match": {field: question}}, size=50)
    hits = {hit["_id"]: hit for hit in found["hits"]["hits"]}
    documents = [Document(hit["_source"][field], hit_id) for hit_id, hit in hits.items()]
    ranking = reranker.rank(question, documents, top_k=5)  # budget_ms=200 would give the best order there is time for
    return [{**hits[item.doc_id], "_rerank_score": item.score} for item in ranking]


def main(address: str, index: str, field: str, question: str) -> None:
    """Print the hits with both scores."""
    with Elasticsearch(address) as client:
        for hit in search(client, Reranker.load(), index, field, question):
            print(f"{hit['_id']}  elasticsearch {hit['_score']:.2f}  reranker {hit['_rerank_score']:.2f}")
            print(f"   {hit['_source'][field][:100]!r}")


if __name__ == "__main__":
    main(*sys.argv[1:])
