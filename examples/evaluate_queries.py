"""Evaluate on your own queries: is reranking worth it here? With intervals and a paired test.

    python examples/evaluate_queries.py [FOLDER]

Replace QUESTIONS by yours: what people asked, and words that the right passage holds. Thirty to fifty tell something;
the six below only show how it is done.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from shortlist import index_paths, open_pipeline
from shortlist.build.evaluation import evaluate_request
from shortlist.evaluation.report.markdown import markdown_report
from shortlist.evaluation.request import Request

QUESTIONS = {
    "How do I sort by two keys?": "attrgetter('grade', 'age')",
    "Why is the sort stable?": "guaranteed to be `stable",
    "How do I match as little text as possible?": "non-greedy",
    "What does a byte order mark do?": "byte-order mark",
    "Why are strings immutable?": "immutable",
    "How do I copy an object?": "copy.deepcopy",
}


def judged(index: Path) -> list[tuple[str, str, int]]:
    """Return (question, passage's id, 1) for every passage of the first hundred that holds the words."""
    with open_pipeline(index, rerank=False) as pipeline:
        found = [(number, pipeline.search(text, top_k=100, depth=100)) for number, text in enumerate(QUESTIONS)]
    words = list(QUESTIONS.values())
    return [
        (str(number), item.doc_id, 1)
        for number, ranking in found
        for item in ranking
        if words[number] in item.document.text
    ]


def main(folder: Path) -> None:
    """Print the report."""
    with TemporaryDirectory() as made:
        work = Path(made)
        index_paths([folder], work / "index")
        queries = [{"_id": str(number), "text": text} for number, text in enumerate(QUESTIONS)]
        (work / "queries.jsonl").write_text("".join(json.dumps(query) + "\n" for query in queries))
        rows = [f"{query} 0 {passage} {grade}\n" for query, passage, grade in judged(work / "index")]
        (work / "qrels.txt").write_text("".join(rows))
        request = Request(
            systems=("hybrid@50", "hybrid@50 > shortlist-l6"),
            measures=("nDCG@10", "R@50"),
            queries=str(work / "queries.jsonl"),
            qrels=str(work / "qrels.txt"),
            index=str(work / "index"),
        )
        print(markdown_report(evaluate_request(request)))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "examples/python-docs"))
