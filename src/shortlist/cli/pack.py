"""`shortlist pack`: models into one file, for a machine without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shortlist.build.bundles import pack as pack_models
from shortlist.cli.options import Json
from shortlist.cli.output import console, print_json


def pack(
    models: Annotated[
        list[str], typer.Argument(help="Names of the catalogue, folders, or owner/name.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")] = Path("bundle.tar"),
    as_json: Json = False,
) -> None:
    """Pack models into one tar file with checksums, to be unpacked on a machine without a network.

    Models that are not on this machine yet are fetched first.

    Example:  shortlist pack bge-reranker-base -o bundle.tar
    """
    bundled = pack_models(models, out)
    sizes = {model.name: sum(size for size, _ in model.files.values()) for model in bundled}
    if as_json:
        print_json({"bundle": str(out), "models": [{"name": name, "bytes": size} for name, size in sizes.items()]})
        return
    for name, size in sizes.items():
        console().print(f"{name}  {size / 1e6:.1f} MB", soft_wrap=True)
    console().print(str(out), soft_wrap=True)
