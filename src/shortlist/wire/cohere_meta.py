"""The `meta` object in both versions of Cohere's response: what was billed, and warnings."""

from __future__ import annotations

from typing import Any

from shortlist.wire.about import count_said
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
    """Read what was billed, from the whole response; the API gives whole numbers as 1.0."""
    tokens = count_said(body, "meta", "tokens", "input_tokens")
    return Usage(tokens, count_said(body, "meta", "billed_units", "search_units"))


def read_warnings(body: At) -> tuple[str, ...]:
    """Read the warnings, from the whole response."""
    meta = body.value.get("meta")
    warnings = meta.get("warnings") if isinstance(meta, dict) else None
    return tuple(text for text in warnings if isinstance(text, str)) if isinstance(warnings, list) else ()
