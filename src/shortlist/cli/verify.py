"""`shortlist verify`: whether a model gives the scores it should, on every engine installed here."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from shortlist.build.verify import Backend, Verification, verify_model
from shortlist.cli.options import Json, Threads
from shortlist.cli.output import console, print_json, print_text


def verify(
    model: Annotated[
        str, typer.Argument(help="A name that `shortlist models` lists, a folder, or owner/name.", show_default=False)
    ],
    engine: Annotated[str, typer.Option("--engine", help="all, or one engine's name.")] = "all",
    precision: Annotated[str, typer.Option("--precision", help="all, fp32, bf16, fp16, int16 or int8.")] = "all",
    device: Annotated[str, typer.Option("--device", help="Of engine torch: auto, cpu, cuda or cuda:1.")] = "auto",
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Check that a model gives the scores it should, on every engine and in every precision here.

    Scores 40 pairs of real text with each backend and compares them with the fp32 reference: largest
    difference, Kendall's tau, common top 10. Published scores of the model are reproduced as well,
    where there are any. Exits with 1 when a backend strays further than its precision may.

    Example:  shortlist verify shortlist-minilm-l6 --precision int8
    """
    found = verify_model(model, engine=engine, precision=precision, device=device, threads=threads)
    if as_json:
        print_json(_values(found))
    else:
        _print(found)
    if not found.ok:
        raise typer.Exit(1)


def _values(found: Verification) -> dict[str, Any]:
    return {
        "model": found.model,
        "reference": found.reference,
        "note": found.note,
        "pairs": found.pairs,
        "ok": found.ok,
        "backends": [_backend(backend) for backend in found.backends],
    }


def _backend(backend: Backend) -> dict[str, Any]:
    name = {"engine": backend.engine, "precision": backend.precision}
    if backend.agreement is None:
        return {**name, "skipped": backend.skipped}
    return {
        **name,
        "ok": backend.ok,
        "largest_difference": backend.agreement.largest_difference,
        "relative_difference": backend.relative_difference,
        "kendall_tau": backend.agreement.tau,
        "top_10_overlap": backend.agreement.top_10_overlap,
        "published": [
            {
                "query": one.reference.query,
                "document": one.reference.document,
                "published": one.reference.score,
                "score": one.score,
                "tolerance": one.reference.tolerance,
                "source": one.reference.source,
                "ok": one.ok,
            }
            for one in backend.reproduced
        ],
    }


def _print(found: Verification) -> None:
    screen = console()
    screen.print(f"{found.model} against {found.reference} on {found.pairs} pairs", soft_wrap=True)
    if found.note:
        print_text(screen, f"note: {found.note}")
    table = Table(box=None, pad_edge=False)
    for column in ("engine", "precision", "largest difference", "Kendall tau", "common top 10", "published", "verdict"):
        table.add_column(column, overflow="fold")
    for backend in found.backends:
        table.add_row(backend.engine, backend.precision, *_cells(backend))
    screen.print(table)
    for backend in found.backends:
        if backend.skipped:
            print_text(screen, f"not run: {backend.engine} {backend.precision}: {backend.skipped}")


def _cells(backend: Backend) -> list[str]:
    if backend.agreement is None:
        return ["-", "-", "-", "-", "not run"]
    right, published = sum(one.ok for one in backend.reproduced), len(backend.reproduced)
    return [
        f"{backend.agreement.largest_difference:.4f}",
        f"{backend.agreement.tau:.4f}",
        f"{backend.agreement.top_10_overlap:.0%}",
        "binds fp32"
        if published and backend.precision != "fp32"
        else f"{right} of {published}"
        if published
        else "none",
        "right" if backend.ok else "WRONG",
    ]
