"""shortlist: retrieve wide, rerank precisely, keep the few.

    >>> import shortlist
    >>> ranking = shortlist.rank("how tall is the tower?", ["It is 330 m tall.", "It is made of iron."], top_k=1)
    >>> ranking[0].document.text
    'It is 330 m tall.'

Importing this package loads no model, opens no socket and reads no environment; the
names below are found in their rooms when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shortlist.build.indexing import index_paths
    from shortlist.build.rank import rank
    from shortlist.build.reranker import Reranker
    from shortlist.build.search import open_pipeline
    from shortlist.errors import ShortlistError
    from shortlist.pipeline import Pipeline
    from shortlist.types import Document, Place, Query, Ranking, ScoredDocument, ScoreKind, Step, Trace

__version__ = "0.1.0"

_HOME = {
    "Document": "shortlist.types",
    "Pipeline": "shortlist.pipeline",
    "Place": "shortlist.types",
    "Query": "shortlist.types",
    "Ranking": "shortlist.types",
    "Reranker": "shortlist.build.reranker",
    "ScoreKind": "shortlist.types",
    "ScoredDocument": "shortlist.types",
    "ShortlistError": "shortlist.errors",
    "Step": "shortlist.types",
    "Trace": "shortlist.types",
    "index_paths": "shortlist.build.indexing",
    "open_pipeline": "shortlist.build.search",
    "rank": "shortlist.build.rank",
}

__all__ = [
    "Document",
    "Pipeline",
    "Place",
    "Query",
    "Ranking",
    "Reranker",
    "ScoreKind",
    "ScoredDocument",
    "ShortlistError",
    "Step",
    "Trace",
    "index_paths",
    "open_pipeline",
    "rank",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'shortlist' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
