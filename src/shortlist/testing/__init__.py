"""Contract checks for authors of scorers, rerankers, retrievers, stores, encoders and language models.

    from shortlist.testing import check_scorer
    check_scorer(MyScorer.load("my-model"))

`RerankServer` is a server of any wire dialect on this machine, with faults on demand, for
tests of clients. Each check runs the part on real texts and raises AssertionError that says which promise is broken.
"""

from shortlist.testing.encoders import check_encoder
from shortlist.testing.generators import check_generator, check_likelihood_model
from shortlist.testing.rerankers import check_reranker
from shortlist.testing.retrievers import check_retriever
from shortlist.testing.scorers import check_scorer
from shortlist.testing.serving import Reply, RerankServer
from shortlist.testing.stores import check_store

__all__ = [
    "Reply",
    "RerankServer",
    "check_encoder",
    "check_generator",
    "check_likelihood_model",
    "check_reranker",
    "check_retriever",
    "check_scorer",
    "check_store",
]
