"""The values that travel through shortlist: query, document, ranking, trace, prompt."""

from shortlist.types.deadline import Cancel, Clock, Deadline, monotonic_ms
from shortlist.types.decision import Decision
from shortlist.types.document import Document, DocumentVector, Place, TokenIds
from shortlist.types.generation import Completion, Likelihood, Message, Prompt, TokenLogprobs
from shortlist.types.query import Query
from shortlist.types.ranking import Ranking, ScoredDocument, ScoreKind, Standing
from shortlist.types.scores import Scores
from shortlist.types.trace import QUERY_CUT, Step, Trace, Truncation

__all__ = [
    "QUERY_CUT",
    "Cancel",
    "Clock",
    "Completion",
    "Deadline",
    "Decision",
    "Document",
    "DocumentVector",
    "Likelihood",
    "Message",
    "Place",
    "Prompt",
    "Query",
    "Ranking",
    "ScoreKind",
    "ScoredDocument",
    "Scores",
    "Standing",
    "Step",
    "TokenIds",
    "TokenLogprobs",
    "Trace",
    "Truncation",
    "monotonic_ms",
]
