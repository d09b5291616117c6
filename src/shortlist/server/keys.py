"""API keys: kept as SHA-256, several at a time, compared in constant time.

A keys file has a line a key, `NAME sha256:HEX`, with `requests_per_s=5` or `concurrent=4` behind it if the key
has limits of its own. To change a key, add the new line, let clients move, remove the old one; the
server reads the file again on SIGHUP. Keys are random and long, so a fast hash is enough.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from shortlist.errors import SettingsError

_LINE = re.compile(r"(?P<name>[\w.-]+)\s+sha256:(?P<digest>[0-9a-fA-F]{64})(?P<limits>(\s+\w+=\S+)*)")


@dataclass(frozen=True, slots=True)
class Key:
    """A key's name, the SHA-256 of the key, and what it may do; 0 is no limit."""

    name: str
    digest: str
    requests_per_s: float = 0.0
    concurrent: int = 0


def new_key(name: str) -> tuple[str, str]:
    """Return a new random key, and its line for the keys file."""
    if not re.fullmatch(r"[\w.-]+", name):
        raise SettingsError(f"a key's name is of letters, digits, '-', '_' and '.'; got {name!r}")
    key = f"sl-{secrets.token_urlsafe(32)}"
    return key, f"{name} sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def read_keys(file: Path, *, requests_per_s: float = 0.0, concurrent: int = 0) -> tuple[Key, ...]:
    """Read a keys file; the limits are those of keys whose line has none. Raises SettingsError that names the line."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read the keys file {file}: {error}") from error
    keys: list[Key] = []
    for number, line in enumerate(lines, 1):
        if text := line.partition("#")[0].strip():
            try:
                keys.append(_key(text, requests_per_s, concurrent))
            except ValueError as error:
                raise SettingsError(
                    f"{file}, line {number}: {error}; `shortlist serve --new-key NAME` makes one"
                ) from error
    if len({key.name for key in keys}) < len(keys):
        raise SettingsError(f"{file}: a name stands there twice")
    if not keys:
        raise SettingsError(f"{file} holds no keys, so nobody could ask; `shortlist serve --new-key NAME` makes one")
    return tuple(keys)


def find_key(keys: Iterable[Key], given: str) -> Key | None:
    """Return the key that was given; it takes as long whichever it is, and when it is none."""
    digest = hashlib.sha256(given.encode("utf-8", "surrogatepass")).hexdigest()
    found = None
    for key in keys:
        if hmac.compare_digest(digest, key.digest):
            found = key
    return found


def _key(text: str, requests_per_s: float, concurrent: int) -> Key:
    matched = _LINE.fullmatch(text)
    if matched is None:
        raise ValueError("a line is NAME sha256:HEX, with 64 hexadecimal digits")
    limits = dict(limit.split("=", 1) for limit in matched["limits"].split())
    unknown = set(limits) - {"requests_per_s", "concurrent"}
    if unknown:
        raise ValueError(f"unknown limit {min(unknown)!r}; there are requests_per_s and concurrent")
    rate = float(limits.get("requests_per_s", requests_per_s))
    most = int(limits.get("concurrent", concurrent))
    if not 0 <= rate < float("inf") or most < 0:
        raise ValueError("limits are from 0, which is none")
    return Key(matched["name"], matched["digest"].lower(), rate, most)
