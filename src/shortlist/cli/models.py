"""`shortlist models`: what can be named, and all there is to know of one."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from shortlist.catalogue import Choice, Entry, find_entry, nearest_names, read_catalogue, read_size, written_size
from shortlist.cli.options import Json
from shortlist.cli.output import console, print_json
from shortlist.errors import InputError, ModelNotFoundError
from shortlist.inference.hub import is_fetched
from shortlist.scorers.registry import kinds
from shortlist.weights import PackagedModel, find_packaged, packaged_models

Name = Annotated[str, typer.Argument(help="Show all that is known of this one.", show_default=False)]
Kind = Annotated[str, typer.Option(help="Only of this kind, e.g. cross-encoder or causal-lm.", show_default=False)]
Language = Annotated[str, typer.Option(help="Only those that read it, e.g. de.", show_default=False)]
Largest = Annotated[str, typer.Option("--max-size", help="Parameters at most, e.g. 600M.", show_default=False)]
Commercial = Annotated[bool, typer.Option("--commercial", help="Only with a licence for commercial use.")]
Here = Annotated[bool, typer.Option("--here", help="Only what is on this machine already.")]

# what a kind of scorer does
_ABOUT = {
    "blend": "several scorers added up",
    "cross-encoder": "reads query and document together, one score a pair",
    "causal-lm": "a language model asked for yes or no; best on a GPU",
    "late-interaction": "compares the tokens of query and document (ColBERT)",
    "seq2seq": "T5 asked for true or false",
    "bi-encoder": "one vector a text, for the first stage",
    "token-bm25": "BM25 over word pieces, a part of a blend",
}
_LANGUAGES = 9  # letters; `shortlist models NAME` lists them all
_HEADER = f"   {'name':<37}  {'size':>4}  {'reads':>6}  {'languages':<{_LANGUAGES}}  licence"
_LEGEND = "* is on this machine   - cannot be run   ! not for commercial use   ? not stated"


def models(
    name: Name = "",
    kind: Kind = "",
    language: Language = "",
    max_size: Largest = "",
    commercial: Commercial = False,
    here: Here = False,
    as_json: Json = False,
) -> None:
    """List the packaged models, those known by name, and the kinds of reranker.

    The packaged ones run at once; the others are fetched from the hub when first used, or by
    `shortlist pull`. "reads" is in tokens. Any other model is named by its folder, or as owner/name
    of a hub repository: BERT, RoBERTa, XLM-R, ELECTRA, DistilBERT, ModernBERT and DeBERTa-v2
    classifiers, ColBERT models, or a ready-made ONNX or OpenVINO file.

    Example:  shortlist models --language de --max-size 600M --commercial
    """
    if name:
        _print_one(name, as_json=as_json)
        return
    if kind and kind not in _ABOUT:
        raise InputError(f"no models of kind {kind!r} are known by name; there are: {', '.join(_ABOUT)}")
    choice = Choice(kind, language, read_size(max_size) if max_size else None, commercial)
    packaged = [model for model in packaged_models() if choice.takes(_as_entry(model))]
    entries = [entry for entry in read_catalogue() if choice.takes(entry) and (not here or is_fetched(entry.hub))]
    if as_json:
        cards = [dict(model.card) for model in packaged]
        print_json({"packaged": cards, "catalogue": [_values(entry) for entry in entries], "kinds": kinds()})
        return
    _print_all([*map(_as_entry, packaged), *entries])
    line = f"kinds of reranker, as kind:name: {', '.join(kinds())}"
    console().print(textwrap.fill(line, 80, break_on_hyphens=False), soft_wrap=True)


def _print_all(entries: Sequence[Entry]) -> None:
    out = console()
    for kind in [kind for kind in _ABOUT if any(entry.kind == kind for entry in entries)]:
        of_kind = [entry for entry in entries if entry.kind == kind]
        needs = sorted({need for entry in of_kind for need in entry.needs})
        out.print(f"{kind}: {_ABOUT[kind]}", soft_wrap=True)
        if needs:
            who = "needs" if all(entry.needs for entry in of_kind) else "without * it needs"
            out.print(f"   {who} pip install 'shortlist[{','.join(needs)}]'", soft_wrap=True)
        out.print(_HEADER, soft_wrap=True)
        for entry in of_kind:
            out.print(_row(entry), soft_wrap=True)
        out.print()
    if not entries:
        out.print("no model is like that")
    out.print(_LEGEND, soft_wrap=True)


def _row(entry: Entry) -> str:
    mark = "-" if entry.unsupported else "*" if not entry.hub or is_fetched(entry.hub) else " "
    languages = ", ".join(entry.languages).replace("multilingual", "many")
    if len(languages) > _LANGUAGES:
        languages = str(len(entry.languages))
    warning = "!" if not entry.commercial else "?" if entry.licence_note else " "
    size, reads = written_size(entry.parameters), str(entry.max_length or "any")
    cells = f"{mark}{warning} {entry.name:<37}  {size:>4}  {reads:>6}  {languages:<{_LANGUAGES}}  {entry.licence}"
    return cells.rstrip()


def _print_one(name: str, *, as_json: bool) -> None:
    packaged, entry = find_packaged(name), find_entry(name)
    if packaged is None and entry is None:
        near = nearest_names(name, [model.name for model in packaged_models()])
        hint = f"; nearest: {', '.join(near)}" if near else ""
        raise ModelNotFoundError(
            f"no model {name!r} is packaged or known by name (`shortlist models` lists them){hint}"
        )
    values = dict(packaged.card) if packaged is not None else _values(entry) if entry is not None else {}
    if as_json:
        print_json(values)
        return
    shown = {key: value for key, value in values.items() if value not in ("", (), [], {}, None)}
    for key, value in shown.items():
        console().print(f"{key + ':':<12} {_written(key, value)}", soft_wrap=True)


def _written(key: str, value: Any) -> str:
    if key == "reference":
        return f"{len(value)} published scores (`shortlist verify` reproduces them)"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={inner}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(_written("", each) for each in value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _values(entry: Entry) -> dict[str, Any]:
    return {**asdict(entry), "install": entry.install}


def _as_entry(model: PackagedModel) -> Entry:
    """Take from a card what the list shows; without a `hub`, since it is in the install."""
    card = model.card
    return Entry(
        name=card["name"],
        hub="",
        licence=card["licence"],
        family=card["family"],
        kind=card["kind"],
        max_length=card["max_length"] or 0,
        activation="",
        languages=tuple(card["languages"]),
        parameters=card["parameters"],
        needs=(),
    )
