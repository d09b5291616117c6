"""What well-known bi-encoders want before a query and a document."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from shortlist._toml import tomllib


def known_prompts(name: str) -> Mapping[str, str]:
    """Return prompts by role ("query", "document") of a bi-encoder on the hub; empty where none is known."""
    return _prompts().get(name, {})


@cache
def _prompts() -> dict[str, Mapping[str, str]]:
    listed = tomllib.loads(files("shortlist.catalogue").joinpath("encoders.toml").read_text("utf-8"))["encoders"]
    return {name: each["prompts"] for each in listed for name in each["names"]}
