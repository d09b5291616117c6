"""`shortlist models`: what can be named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from shortlist.catalogue import Entry, read_catalogue
from shortlist.cli.options import Json
from shortlist.cli.output import console, print_json
from shortlist.scorers.registry import reranker_kinds, scorer_kinds
from shortlist.weights import packaged_models

# name of a column -> whether its cells may be folded
_COLUMNS = {
    "name": False,
    "family": True,
    "licence": False,
    "size": False,
    "tokens": False,
    "languages": False,
    "needs": True,
}


def models(as_json: Json = False) -> None:
    """List the packaged models, those known by name, and the kinds of reranker.

    The packaged ones run at once; the others are fetched from the hub when first used, or by
    `shortlist pull`. A licence with ! forbids commercial use. Any other model is named by its folder,
    or as owner/name of a hub repository: BERT, RoBERTa, XLM-R, ELECTRA, DistilBERT, ModernBERT and
    DeBERTa-v2 classifiers, ColBERT models, or a ready-made ONNX or OpenVINO file.
    """
    cards, entries = [dict(model.card) for model in packaged_models()], read_catalogue()
    if as_json:
        kinds = [*scorer_kinds(), *reranker_kinds()]
        print_json({"packaged": cards, "catalogue": [_values(e) for e in entries], "kinds": kinds})
        return
    rows = [(card["kind"], _card_cells(card)) for card in cards]
    rows += [(entry.kind, _cells(entry)) for entry in entries]
    for kind in dict.fromkeys(kind for kind, _ in rows):
        _print(kind, [cells for of, cells in rows if of == kind])
    console().print(f"kinds of reranker: {', '.join([*scorer_kinds(), *reranker_kinds()])}", soft_wrap=True)


def _print(kind: str, rows: Sequence[Sequence[str]]) -> None:
    table = Table(box=None, pad_edge=False)
    for column, folds in _COLUMNS.items():
        table.add_column(column, no_wrap=not folds, overflow="fold")
    for cells in rows:
        table.add_row(*cells)
    console().print(f"{kind}:")
    console().print(table)
    console().print()


def _values(entry: Entry) -> dict[str, Any]:
    return {**asdict(entry), "install": entry.install}


def _card_cells(card: Mapping[str, Any]) -> list[str]:
    size, languages = _millions(card["parameters"]), ", ".join(card["languages"])
    return [card["name"], card["family"], card["licence"], size, str(card["max_length"] or "any"), languages, "nothing"]


def _cells(entry: Entry) -> list[str]:
    return [
        entry.name,
        entry.family,
        entry.licence if entry.commercial else f"{entry.licence} !",
        _millions(entry.parameters),
        str(entry.max_length),
        ", ".join(entry.languages).replace("multilingual", "many"),
        "cannot run" if entry.unsupported else ", ".join(entry.needs),
    ]


def _millions(parameters: int) -> str:
    return f"{parameters / 1e6:.1f} M"
