"""Which pages of a browser may ask: our own, and those that the settings name."""

from __future__ import annotations

from starlette.datastructures import Headers

from shortlist.server.faults import RefusedError
from shortlist.server.settings import ServeSettings
from shortlist.wire import Fault

_LOOPBACK = {"localhost", "127.0.0.1", "[::1]"}


def check_host(headers: Headers, settings: ServeSettings, *, has_keys: bool) -> None:
    """Refuse a name that is none of a loopback server's, unless keys are needed anyway.

    A page elsewhere can give its own name this machine's address, and then ask in the user's browser as
    if it were ours (DNS rebinding).
    """
    if has_keys or not settings.is_loopback:
        return
    host = headers.get("host", "localhost").rpartition(":")[0] or headers.get("host", "localhost")
    if headers.get("host", "").endswith("]"):
        host = headers["host"]
    if host.lower() not in {*_LOOPBACK, settings.host, *settings.hosts}:
        raise RefusedError(
            Fault.UNAUTHENTICATED,
            f"this server is not known as {host!r:.80}; if a proxy calls it so, add the name to `hosts`",
        )


def check_origin(headers: Headers, settings: ServeSettings) -> None:
    """Refuse a page of another origin that the settings do not name."""
    origin = headers.get("origin")
    if origin is None or origin in settings.cors_origins or origin.partition("://")[2] == headers.get("host"):
        return
    raise RefusedError(
        Fault.UNAUTHENTICATED, f"pages of {origin!r:.80} may not ask; add the origin to `cors_origins` if they should"
    )


def cors_headers(headers: Headers, settings: ServeSettings) -> dict[str, str]:
    """Return what lets a page of a named origin read the answer; nothing for others."""
    origin = headers.get("origin")
    if origin is None or origin not in settings.cors_origins:
        return {}
    asked = headers.get("access-control-request-headers", "")  # all of them: SDKs have some of their own
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": "GET, POST, DELETE",
        "Access-Control-Allow-Headers": asked,
        "Access-Control-Expose-Headers": "X-Request-Id, Server-Timing, Retry-After, X-Shortlist-Degraded",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Vary": "Origin",
    }
