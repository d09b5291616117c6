"""`shortlist pull`: fetch a model while there is a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shortlist.build.bundles import pull as pull_model
from shortlist.catalogue import find_entry
from shortlist.cli.options import Json
from shortlist.cli.output import console, print_json, print_notes


def pull(
    model: Annotated[str, typer.Argument(help="A name of the catalogue, or owner/name.", show_default=False)],
    to: Annotated[
        Path | None, typer.Option("--to", help="Folder to fetch into. [default: the hub's own cache]")
    ] = None,
    revision: Annotated[str | None, typer.Option("--revision", help="Commit, branch or tag on the hub.")] = None,
    as_json: Json = False,
) -> None:
    """Fetch a model from the hub, so that it runs without a network afterwards.

    The hub's own settings apply: HF_ENDPOINT for a mirror, HF_HOME for the cache, HF_TOKEN for
    gated models. An interrupted fetch goes on where it stopped.

    Example:  shortlist pull bge-reranker-base --to models/bge-reranker-base
    """
    entry = find_entry(model)
    if entry is not None and entry.licence_note:
        print_notes([entry.licence_note])
    path = pull_model(model, folder=to, revision=revision)
    if as_json:
        print_json({"model": model, "path": str(path)})
    else:
        console().print(str(path), soft_wrap=True)
