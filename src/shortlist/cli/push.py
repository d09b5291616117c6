"""`shortlist index push`: a local index moves to an engine that shards and replicates."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from shortlist.build.pushing import push_index
from shortlist.cli.options import Json
from shortlist.cli.output import console, errors_console, print_json, print_text, shown

_EVERY = 50  # batches between two lines of progress


def push(
    folder: Annotated[Path, typer.Argument(help="The index's folder.", show_default=False)],
    address: Annotated[
        str, typer.Argument(help="qdrant:http://HOST:6333/NAME or milvus:http://HOST:19530/NAME.", show_default=False)
    ],
    shards: Annotated[int, typer.Option(min=1, help="Parts that the collection is laid out in.")] = 1,
    replicas: Annotated[int, typer.Option(min=1, help="Copies of every part.")] = 1,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Where to note how far the load came. [default: a file in FOLDER]")
    ] = None,
    keep_old: Annotated[bool, typer.Option("--keep-old", help="Leave the collection that NAME stood for.")] = False,
    as_json: Json = False,
) -> None:
    """Copy an index to a Qdrant or Milvus server; `shortlist search` then takes the address for the folder.

    The documents go into a new collection, and NAME, an alias, changes to it when all of them are there:
    whoever searches sees the old ones or the new ones. An interrupted load goes on where it was. Keys
    are read from QDRANT_API_KEY and MILVUS_TOKEN. Needs the extra `qdrant` or `milvus`.

    Example:  shortlist index push my-index qdrant:http://localhost:6333/docs
    """
    told = 0

    def watch(done: int, total: int) -> None:
        nonlocal told
        if told % _EVERY == 0 or done == total:
            print_text(errors_console(), f"{done} of {total} documents")
        told += 1

    pushed = push_index(
        folder, address, shards=shards, replicas=replicas, checkpoint=checkpoint, keep_old=keep_old, watch=watch
    )
    if as_json:
        print_json(asdict(pushed))
        return
    resumed = f" ({pushed.resumed_at} of them by the run before)" if pushed.resumed_at else ""
    instead = f", in place of {pushed.replaced}" if pushed.replaced else ""
    console().print(
        shown(f"{pushed.address}: {pushed.documents} documents{resumed} in {pushed.collection}{instead}"),
        soft_wrap=True,
    )
