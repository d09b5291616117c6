"""`shortlist unpack`: models out of a bundle, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shortlist.build.bundles import unpack as unpack_models
from shortlist.cli.options import Json
from shortlist.cli.output import console, print_json


def unpack(
    bundle: Annotated[Path, typer.Argument(help="A file that `shortlist pack` wrote.", show_default=False)],
    to: Annotated[
        Path | None, typer.Option("--to", help="Folder to unpack into. [default: where models are found by name]")
    ] = None,
    as_json: Json = False,
) -> None:
    """Unpack models from a bundle; each is then found by its name, without a network.

    Every file is compared with its checksum, and nothing appears unless all of it is right. The
    default place is SHORTLIST_MODELS, or the user's data folder; with --to, name the folder instead.

    Example:  shortlist unpack bundle.tar
    """
    folders = {name: str(path) for name, path in unpack_models(bundle, folder=to).items()}
    if as_json:
        print_json({"models": folders})
        return
    for name, path in folders.items():
        console().print(f"{name}  {path}", soft_wrap=True)
