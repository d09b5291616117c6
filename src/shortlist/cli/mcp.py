"""`shortlist mcp`: the index as tools for agents."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

from shortlist.build.generators import load_generator
from shortlist.build.models import load_encoder
from shortlist.build.reranker import Reranker
from shortlist.build.search import open_pipeline
from shortlist.cli.options import Engine, LlmServer, Model, Precision, Threads, settings
from shortlist.cli.places import INDEX_FOLDER
from shortlist.cli.search import ready_index, within


def mcp(
    path: Annotated[
        Path, typer.Argument(help="An index, or a folder or file: it is indexed first, or brought up to date.")
    ] = Path(INDEX_FOLDER),
    http: Annotated[bool, typer.Option("--http", help="Streamable HTTP at /mcp, in place of stdio.")] = False,
    host: Annotated[str, typer.Option(help="Address to listen on with --http.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on with --http.")] = 8000,
    generator: Annotated[
        str | None,
        typer.Option("--generator", "-g", help="Lets `ask` answer: a GGUF file, or a model on --llm-server."),
    ] = None,
    llm_server: LlmServer = None,
    model: Model = None,
    engine: Engine = None,
    precision: Precision = None,
    threads: Threads = None,
) -> None:
    """Serve search, rerank and ask over an index to agents, by the Model Context Protocol.

    Needs the extra `mcp`. Over stdio, stdout belongs to the protocol; what there is to say goes to stderr.

    Example:  shortlist mcp docs/
    """
    from shortlist.integrations.mcp import mcp_server

    chosen = settings(
        model=model, engine=engine, precision=precision, threads=threads, generator=generator, llm_server=llm_server
    )
    named = chosen.generator != "none"
    answering = load_generator(chosen.generator, server=chosen.llm_server) if named else None
    how: dict[str, Any] = {"transport": "streamable-http", "host": host, "port": port} if http else {}
    index = ready_index(path, chosen)
    with closing(load_encoder(chosen)) as encoder:
        second = Reranker.of(chosen, encoder=encoder)  # one for both tools: a model may be large
        with open_pipeline(index, settings=chosen, where=within(path), encoder=encoder, reranker=second) as pipeline:
            mcp_server(pipeline, reranker=second, generator=answering, settings=chosen).run(**how)
