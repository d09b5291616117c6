"""What many write themselves: sentence-transformers behind FastAPI, to be run with uvicorn.

`MODEL=folder uvicorn benchmarks.serving.plain_endpoint:app`, in an environment with both installed.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

_fastapi = importlib.import_module("fastapi")
_library = importlib.import_module("sentence_transformers")
app = _fastapi.FastAPI()
_model = _library.CrossEncoder(os.environ["MODEL"], device="cpu", max_length=512, local_files_only=True)


def rerank(body: dict[str, Any]) -> dict[str, Any]:
    """Score the documents and sort them; FastAPI runs this in one of its threads."""
    pairs = [(body["query"], document) for document in body["documents"]]
    scores = _model.predict(pairs, show_progress_bar=False).tolist()
    order = sorted(range(len(scores)), key=lambda place: -scores[place])
    return {"results": [{"index": place, "relevance_score": scores[place]} for place in order]}


app.post("/rerank")(rerank)
