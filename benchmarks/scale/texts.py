"""Real short texts: what packages say of themselves, in Debian's lists and in a table of PyPI's summaries."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from shortlist.types import Document


def documents(files: list[Path], count: int) -> list[Document]:
    """Return the first so many different texts of files: Debian `Packages` (plain or .lz4) or tables with a header.

    A table is tab-separated with columns `name` and `summary` (npm's and PyPI's own metadata, saved as one). When
    the files hold fewer texts, they are repeated with a suffix; `repeated` in the document's metadata says so.
    """
    found: dict[str, Document] = {}
    for document in islice(_all(files), count * 2):
        found.setdefault(document.text, document)
        if len(found) == count:
            break
    distinct = list(found.values())
    if not distinct:
        sys.exit(f"there are no texts in {', '.join(map(str, files))}")
    more = [
        Document(f"{one.text} ({number})", f"{one.doc_id}#{number}", metadata={"repeated": True})
        for number in range(1, -(-count // len(distinct)))
        for one in distinct
    ]
    return (distinct + more)[:count]


def _all(files: list[Path]) -> Iterator[Document]:
    for file in files:
        rows = _table(file) if file.suffix in {".tsv", ".csv"} else _packages(file)
        for name, text in rows:
            if len(text.split()) > 2:
                yield Document(f"{name}: {text}", f"{file.name}/{name}", metadata={"source": file.stem})


def _table(file: Path) -> Iterator[tuple[str, str]]:
    csv.field_size_limit(1 << 24)
    with file.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
            summary = next((value for key, value in row.items() if str(key).startswith("summary")), None)
            yield str(row.get("name") or ""), str(summary or "")


def _packages(file: Path) -> Iterator[tuple[str, str]]:
    packed = file.suffix == ".lz4"  # as apt keeps them
    content = subprocess.run(
        ["/usr/lib/apt/apt-helper", "cat-file", str(file)] if packed else ["cat", str(file)],
        check=True,
        capture_output=True,
    ).stdout.decode("utf-8", "replace")
    name = ""
    for line in content.splitlines():
        key, _, value = line.partition(": ")
        if key == "Package":
            name = value
        elif key == "Description":
            yield name, value
