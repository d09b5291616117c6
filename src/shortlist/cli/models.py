"""`shortlist models`: what can be named without a network."""

from __future__ import annotations

from rich.table import Table

from shortlist.cli.options import Json
from shortlist.cli.output import console, print_json
from shortlist.scorers.registry import scorer_kinds
from shortlist.weights import packaged_models


def models(as_json: Json = False) -> None:
    """List the packaged models and the kinds of reranker.

    Any other model is named by its folder, or as owner/name of a hub repository: BERT, RoBERTa,
    XLM-R, ELECTRA, DistilBERT, ModernBERT and DeBERTa-v2 classifiers, or a ready-made ONNX or
    OpenVINO file.
    """
    cards = [dict(model.card) for model in packaged_models()]
    if as_json:
        print_json({"packaged": cards, "kinds": list(scorer_kinds())})
        return
    table = Table(box=None, pad_edge=False)
    for column in ("name", "kind", "licence", "parameters", "max tokens", "languages"):
        table.add_column(column, no_wrap=column == "name", overflow="fold")
    for card in cards:
        table.add_row(
            card["name"],
            card["kind"],
            card["licence"],
            f"{card['parameters'] / 1e6:.1f} M",
            str(card["max_length"]),
            ", ".join(card["languages"]),
        )
    console().print(table)
    console().print(f"kinds of reranker: {', '.join(scorer_kinds())}", soft_wrap=True)
