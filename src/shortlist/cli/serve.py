"""`shortlist serve`: answer rerank requests over HTTP."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shortlist._optional import require
from shortlist.cli.environment import strays
from shortlist.cli.options import Engine, Exits, Fallback, LlmServer, Precision, Threads, settings
from shortlist.cli.output import errors_console, print_json, shown
from shortlist.settings import FILE_NAME

if TYPE_CHECKING:
    from shortlist.server.settings import ServeSettings


def serve(
    models: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="A model to serve; may be repeated, the first is the default."),
    ] = None,
    index: Annotated[Path | None, typer.Option(help="An index to search at /v1/search.")] = None,
    writable: Annotated[bool, typer.Option("--writable-index", help="Let /v1/index write to it.")] = False,
    host: Annotated[str | None, typer.Option(help="Where to listen. [default: 127.0.0.1, this machine only]")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0 takes a free one. [default: 8765]")] = None,
    keys: Annotated[Path | None, typer.Option(help="A file of API keys; without it everybody may ask.")] = None,
    new_key: Annotated[
        str | None, typer.Option("--new-key", metavar="NAME", help="Make a key, print it with its line, and end.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Check all settings and files, print them, and end.")] = False,
    ray: Annotated[bool, typer.Option("--ray", help="As replicas of Ray Serve: on RAY_ADDRESS, or here.")] = False,
    llm_server: LlmServer = None,
    fallback: Fallback = None,
    engine: Engine = None,
    precision: Precision = None,
    threads: Threads = None,
    exits: Exits = None,
) -> None:
    """Answer rerank requests in the formats of Cohere, Jina, Voyage, TEI, vLLM, Infinity, llama.cpp, and our own.

    Everything else is set in [serve] of shortlist.toml or by SHORTLIST_SERVE_* (see docs/serving.md).
    SIGTERM answers what was let in and ends; SIGHUP reads keys, index and models again.

    Example:  shortlist serve --port 8765
    """
    require("uvicorn", extra="server")
    from shortlist.server.run import check_state, serve_forever

    if new_key is not None:
        return _print_key(new_key)
    running: dict[str, Any] = {"fallback": fallback, "engine": engine, "precision": precision, "threads": threads}
    running |= {"exits": exits, "llm_server": llm_server}
    chosen = settings(**running)
    given: dict[str, Any] = {
        "models": tuple(models) if models else None,
        "index": None if index is None else str(index),
        "writable_index": writable or None,
        "host": host,
        "port": port,
        "keys_file": None if keys is None else str(keys),
    }
    serving = replace(_loaded(), **_named(given))
    if check:
        check_state(chosen, serving)
        print_json({f.name: getattr(serving, f.name) for f in fields(serving)})
        return None
    _warn(serving)
    if ray:
        from shortlist.scale.ray_serve import serve_on_ray

        return serve_on_ray(_named(running), serving, _named(given))
    return serve_forever(chosen, serving, announce=lambda url: errors_console().print(shown(f"serving at {url}")))


def _loaded() -> ServeSettings:
    """Read what the file and the environment say, and say what of the environment was not read."""
    from shortlist.server.settings import ServeSettings

    named = strays(os.environ)  # which is said for every command
    if unread := [name for name in ServeSettings.unread(os.environ) if name not in named]:
        note = f"note: not read, since they are no settings: {', '.join(unread)} (docs/serving.md lists all)"
        errors_console().print(shown(note), soft_wrap=True)
    file = Path(FILE_NAME)
    return ServeSettings.load(file=file if file.is_file() else None, environ=os.environ)


def _print_key(name: str) -> None:
    from shortlist.server.keys import new_key

    key, line = new_key(name)
    typer.echo(key)
    errors_console().print(shown(f"its line for the keys file (the key itself is kept nowhere):\n{line}"))


def _named(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def _warn(serving: ServeSettings) -> None:
    if not serving.is_loopback and not serving.keys_file:
        errors_console().print(
            shown(f"note: everybody who reaches {serving.host} may ask; --keys FILE lets only known clients in"),
            soft_wrap=True,
        )
