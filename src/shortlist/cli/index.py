"""`shortlist index`: bring an index up to date with files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from shortlist.build.indexing import IndexingReport, index_paths
from shortlist.cli.options import Encoder, Engine, Json, Precision, Threads, settings
from shortlist.cli.output import console, print_json, print_notes
from shortlist.cli.places import default_index
from shortlist.cli.progress import indexing
from shortlist.ingest import RowFields

TextField = Annotated[
    str | None, typer.Option(help="Field (JSONL) or column (CSV, TSV) with the text. [default: text, or as last time]")
]
TitleField = Annotated[str | None, typer.Option(help="The same for the title. [default: title]")]
IdField = Annotated[str | None, typer.Option(help="The same for the id. [default: _id, id or doc_id]")]


def index(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders to read.", show_default=False)],
    to: Annotated[
        Path | None, typer.Option("--index", "-i", help="Index folder. [default: .shortlist in the first folder]")
    ] = None,
    text_field: TextField = None,
    title_field: TitleField = None,
    id_field: IdField = None,
    encoder: Encoder = None,
    engine: Engine = None,
    precision: Precision = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Index files, or bring an index up to date: only what changed is read.

    Reads text, Markdown, HTML, reStructuredText, source code, JSONL, CSV, BEIR folders, and PDF with
    the extra `pdf`. Files that cannot be read are reported and skipped. An interrupted run keeps what
    it committed; run it again to go on.

    Example:  shortlist index docs/ notes.jsonl --index my-index
    """
    chosen = settings(encoder=encoder, engine=engine, precision=precision, threads=threads)
    target = to or default_index(paths[0])
    with indexing() as watch:
        fields = _fields(text_field, title_field, id_field)
        report = index_paths(paths, target, settings=chosen, fields=fields, watch=watch)
    print_report(report, details=True)
    if as_json:
        print_json(_report_json(target, report))
    else:
        console().print(
            f"{target}: {report.passages} passages"
            f" ({report.added} files read, {report.unchanged} unchanged, {report.removed} removed,"
            f" {len(report.skipped)} skipped)",
            soft_wrap=True,
        )


def _fields(text: str | None, title: str | None, doc_id: str | None) -> RowFields | None:
    """Return the fields that are named, with the usual ones beside them; None when none is."""
    named = {"text": text, "title": title, "doc_id": None if doc_id is None else (doc_id,)}
    given: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    return RowFields(**given) if given else None


def print_report(report: IndexingReport, *, details: bool) -> None:
    """Say on stderr what was repaired, skipped or unreadable."""
    lines = [report.recovery] if report.recovery else []
    lines += [f"skipped {s.source}: {s.detail}" for s in report.skipped] if details else []
    lines += list(report.problems) if details else []
    if not details and report.skipped:
        lines.append(f"{len(report.skipped)} files were skipped; `shortlist index` says why")
    print_notes(lines)


def _report_json(target: Path, report: IndexingReport) -> dict[str, object]:
    return {
        "index": str(target),
        "passages": report.passages,
        "read": report.added,
        "unchanged": report.unchanged,
        "removed": report.removed,
        "skipped": [{"source": s.source, "reason": s.reason.value, "detail": s.detail} for s in report.skipped],
        "problems": list(report.problems),
        "recovery": report.recovery,
    }
