"""Contract checks for authors of scorers, rerankers, retrievers, encoders and language models.

    from shortlist.testing import check_scorer
    check_scorer(MyScorer.load("my-model"))

Each check runs the part on real texts and raises AssertionError that says which promise is broken.
"""

from shortlist.testing.encoders import check_encoder
from shortlist.testing.generators import check_generator, check_likelihood_model
from shortlist.testing.rerankers import check_reranker
from shortlist.testing.retrievers import check_retriever
from shortlist.testing.scorers import check_scorer

__all__ = [
    "check_encoder",
    "check_generator",
    "check_likelihood_model",
    "check_reranker",
    "check_retriever",
    "check_scorer",
]
