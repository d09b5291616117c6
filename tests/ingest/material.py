"""Files to read, made by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shortlist.ingest import Event, FileRead, FileSkipped, Fingerprint, Recipe, ingest
from shortlist.types import Document


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def jsonl(rows: Sequence[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def run(root: Path, known: Mapping[str, Fingerprint] | None = None, *, recipe: Recipe | None = None) -> list[Event]:
    return list(ingest([root], known or {}, base=root if root.is_dir() else root.parent, recipe=recipe or Recipe()))


def reads(events: Sequence[Event]) -> list[FileRead]:
    return [event for event in events if isinstance(event, FileRead)]


def skips(events: Sequence[Event]) -> dict[str, FileSkipped]:
    return {event.source: event for event in events if isinstance(event, FileSkipped)}


def documents(events: Sequence[Event]) -> list[Document]:
    return [document for event in reads(events) for document in event.documents]


def problems(events: Sequence[Event]) -> list[str]:
    return [str(problem) for event in reads(events) for problem in event.problems]


def minimal_pdf(pages: Sequence[str]) -> bytes:
    """Make a PDF with one line of text a page, as the specification's smallest example has it."""
    kids = " ".join(f"{4 + 2 * place} 0 R" for place in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for place, text in enumerate(pages):
        content = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET"
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >>"
            f" /Contents {5 + 2 * place} 0 R >>"
        )
        objects.append(f"<< /Length {len(content)} >>\nstream\n{content}\nendstream")
    body, offsets = "%PDF-1.4\n", []
    for number, text in enumerate(objects, 1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{text}\nendobj\n"
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    return (
        f"{body}xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R >>\n"
        f"startxref\n{len(body)}\n%%EOF\n"
    ).encode()
