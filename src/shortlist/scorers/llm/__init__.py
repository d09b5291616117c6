"""Language models as rerankers: listwise, pairwise, setwise, pointwise and by query likelihood."""

from shortlist.scorers.llm.cost import Budget, Estimate, Prices, Usage
from shortlist.scorers.llm.listwise import Listwise, RankedWindow
from shortlist.scorers.llm.load import listwise, pairwise, pointwise, query_likelihood, setwise
from shortlist.scorers.llm.pairwise import Pairwise
from shortlist.scorers.llm.pointwise import Graded, PointwiseLLM, YesNo
from shortlist.scorers.llm.query_likelihood import QueryLikelihood
from shortlist.scorers.llm.reranker import LLMReranker
from shortlist.scorers.llm.setwise import Setwise

__all__ = [
    "Budget",
    "Estimate",
    "Graded",
    "LLMReranker",
    "Listwise",
    "Pairwise",
    "PointwiseLLM",
    "Prices",
    "QueryLikelihood",
    "RankedWindow",
    "Setwise",
    "Usage",
    "YesNo",
    "listwise",
    "pairwise",
    "pointwise",
    "query_likelihood",
    "setwise",
]
