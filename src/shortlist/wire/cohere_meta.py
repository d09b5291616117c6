"""The `meta` object in both versions of Cohere's response: what was billed, and warnings."""

from __future__ import annotations

from typing import Any

from shortlist.wire.reading import At, said
from shortlist.wire.values import RerankResponse, Usage


def write_meta(response: RerankResponse, api_version: dict[str, Any]) -> dict[str, Any]:
    """Return the object for a response."""
    tokens, units = response.usage.total_tokens, response.usage.search_units
    return {"api_version": api_version} | said(
        billed_units=None if units is None else {"search_units": units},
        tokens=None if tokens is None else {"input_tokens": tokens},
        warnings=list(response.warnings),
    )


def read_usage(body: At) -> Usage:
    """Read what was billed, from the whole response."""
    return Usage(_count(body, "tokens", "input_tokens"), _count(body, "billed_units", "search_units"))


def read_warnings(body: At) -> tuple[str, ...]:
    """Read the warnings, from the whole response."""
    meta = body.get("meta")
    warnings = None if meta is None else meta.get("warnings")
    return () if warnings is None else tuple(item.text() for item in warnings.items())


def _count(body: At, group: str, name: str) -> int | None:
    at: At | None = body
    for step in ("meta", group, name):
        at = None if at is None else at.get(step)
    return None if at is None else round(at.number())  # the API gives whole numbers as 1.0
