"""Search over a folder: index it (only what changed is read), retrieve, rerank, print the best passages.

python examples/search_folder.py examples/python-docs "How do I sort by two keys?"
"""

from __future__ import annotations

import sys
from pathlib import Path

from shortlist import index_paths, open_pipeline


def main(folder: Path, question: str) -> None:
    """Print five passages."""
    index = folder / ".shortlist"
    report = index_paths([folder], index)
    print(f"{report.passages} passages in the index, {report.added} files read, {report.unchanged} unchanged")
    with open_pipeline(index) as pipeline:  # keep it open in a service: loading the models takes longer than a search
        ranking = pipeline.search(question, top_k=5, depth=50)
    for item in ranking:
        before = ", ".join(f"{standing.stage} {standing.rank}" for standing in item.history)
        print(f"{item.rank}. {item.document.place}  ({before})")
        print(f"   {item.document.text[:100]!r}")
    for note in ranking.trace.degradations:
        print("note:", note)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
