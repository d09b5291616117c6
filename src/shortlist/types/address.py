"""A server's address, which is shown in traces and errors and so holds nothing secret."""

from __future__ import annotations

from urllib.parse import urlsplit

from shortlist.errors import InputError


def checked_url(url: str) -> str:
    """Return a server's address without a slash at its end; raises InputError when it cannot be one."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise InputError(f"{url!r} is no server's address: {error}") from error
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InputError(
            f"a server's address holds no user, password, query or fragment ({parts.scheme}://{parts.hostname}...);"
            " give the key as api_key=..."
        )
    if parts.scheme not in {"http", "https"} or not parts.hostname or any(letter.isspace() for letter in url):
        raise InputError(f"a server's address begins with http:// or https://, as http://localhost:8080; got {url!r}")
    return url.rstrip("/")
