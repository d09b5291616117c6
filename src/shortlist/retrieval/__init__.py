"""First stage: an index on disk, found by BM25, by vectors, or by both fused."""

from shortlist.retrieval.documents import Manifest, Source
from shortlist.retrieval.filters import Where
from shortlist.retrieval.fusion import reciprocal_rank_fusion, weighted_fusion
from shortlist.retrieval.index import Index
from shortlist.retrieval.prepare import Tokenize
from shortlist.retrieval.retrievers import BM25, Dense, Fuse, Hybrid
from shortlist.retrieval.sharded import Sharded
from shortlist.retrieval.store import Found, Searchable, Store

__all__ = [
    "BM25",
    "Dense",
    "Found",
    "Fuse",
    "Hybrid",
    "Index",
    "Manifest",
    "Searchable",
    "Sharded",
    "Source",
    "Store",
    "Tokenize",
    "Where",
    "reciprocal_rank_fusion",
    "weighted_fusion",
]
