"""How the server listens, what it allows and what it serves: `[serve]` in shortlist.toml, SHORTLIST_SERVE_*."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from shortlist.errors import SettingsError
from shortlist.server.telling_apart import SERVED
from shortlist.settings import PREFIX, load_fields

UNKNOWN_MODELS = ("default", "refuse")
LOG_FORMATS = ("json", "text")
_LEAST = {
    "port": 0,
    "max_documents": 1,
    "max_body_bytes": 1024,
    "max_query_characters": 1,  # with 0, which is no limit elsewhere, documents would be cut to nothing
    "max_document_characters": 1,
    "max_characters": 1,
    "batch_tokens": 1,
    "max_waiting_pairs": 1,
    "header_timeout_s": 0.1,  # with 0 nobody would be in time
    "body_timeout_s": 0.1,
    "write_timeout_s": 0.1,
}
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\sA-Z]+|null")  # as browsers write it, since it is compared as it is
OWN_DIALECT = "shortlist"
_LIMITS = (
    "max_body_bytes",
    "max_documents",
    "max_query_characters",
    "max_document_characters",
    "max_characters",
    "max_tokens",
)


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """Settings of `shortlist serve`.

    What is served: `models` (the first is the default; none: the settings' own), `aliases` from names
    that clients say to served ones, `unknown_models` ("default" answers with the default model and says
    so, "refuse" is an error), an `index` folder and whether `/v1/index` may write to it, `memory_mb`
    for models (0: no limit).
    Who may ask: `keys_file` (see `keys.py`), `requests_per_s` and `concurrent` of a key that the
    file gives no others (0: no limit), `hosts` that a browser may know a loopback server by,
    `cors_origins` of pages elsewhere.
    How much: the `max_*` of a request (`max_tokens` of all its pairs, as far as the model reads them; 0: no
    limit), which is refused when it has more, only that a document to be ranked is cut at `max_document_characters`;
    in `limits` other ones for a dialect (`[serve.limits.voyage]`; "shortlist" is our own), `max_waiting_pairs` and
    `max_wait_ms` of a model's queue, `batch_tokens`, `cached_pairs`. `header_timeout_s` and `body_timeout_s` are for a
    request to arrive, `write_timeout_s` for a client that has stopped to read, `keep_alive_s` for an idle connection,
    `drain_s` for what runs at the end.
    `log_format` is "json" or "text"; `telemetry` sends OpenTelemetry spans.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    models: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    unknown_models: str = "default"
    index: str = ""
    writable_index: bool = False
    memory_mb: int = 0
    keys_file: str = ""
    requests_per_s: float = 0.0
    concurrent: int = 0
    hosts: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    max_body_bytes: int = 10_000_000
    max_documents: int = 1000
    max_query_characters: int = 20_000
    max_document_characters: int = 400_000
    max_characters: int = 5_000_000
    max_tokens: int = 0
    limits: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    max_waiting_pairs: int = 20_000
    max_wait_ms: float = 1500.0
    batch_tokens: int = 4096
    cached_pairs: int = 100_000
    header_timeout_s: float = 10.0
    body_timeout_s: float = 30.0
    write_timeout_s: float = 30.0
    keep_alive_s: float = 30.0
    drain_s: float = 30.0
    log_format: str = "json"
    telemetry: bool = False

    def __post_init__(self) -> None:
        for name, allowed in (("unknown_models", UNKNOWN_MODELS), ("log_format", LOG_FORMATS)):
            if getattr(self, name) not in allowed:
                raise SettingsError(f"{name} must be one of {', '.join(allowed)}; got {getattr(self, name)!r}")
        for dialect, limits in self.limits.items():
            if dialect not in {*SERVED, OWN_DIALECT}:
                raise SettingsError(f"limits.{dialect}: no such dialect; known are {', '.join((*SERVED, OWN_DIALECT))}")
            if unknown := sorted(set(limits) - set(_LIMITS)):
                raise SettingsError(f"limits.{dialect}.{unknown[0]}: no such limit; known are {', '.join(_LIMITS)}")
            for name, limit in limits.items():
                if limit < (least := _LEAST.get(name, 0)):
                    raise SettingsError(f"limits.{dialect}.{name} must be at least {least}, got {limit}")
        for origin in self.cors_origins:
            if not _ORIGIN.fullmatch(origin):
                raise SettingsError(
                    f"cors_origins: {origin!r} is the origin of no page; name each, as in https://app.example.com"
                )
        if self.port > 65535:
            raise SettingsError(f"port must be at most 65535, got {self.port}")

    @classmethod
    def load(cls, *, file: Path | None = None, environ: Mapping[str, str] | None = None) -> ServeSettings:
        """Read `[serve]` of the file, then SHORTLIST_SERVE_*; raises SettingsError as `Settings.load` does."""
        return load_fields(cls(), file=file, environ=environ or {}, table="serve", least=_LEAST)

    def of(self, dialect: str) -> ServeSettings:
        """Return these settings with the limits that a dialect has of its own."""
        own: Mapping[str, Any] = self.limits.get(dialect, {})
        return replace(self, **own) if own else self

    @classmethod
    def unread(cls, environ: Mapping[str, str]) -> list[str]:
        """Return the variables that look like settings and are none."""
        known = {f"{PREFIX}SERVE_{one.name.upper()}" for one in fields(cls)}
        return sorted(name for name in environ if name.startswith(f"{PREFIX}SERVE_") and name not in known)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
