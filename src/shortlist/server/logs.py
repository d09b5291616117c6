"""One line an answer, as JSON or as text; never a query, a document or a key."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

from shortlist.server.notes import Notes

_LOG = logging.getLogger("shortlist.server")


def log_answer(notes: Notes, *, method: str, path: str, latency_ms: float) -> None:
    """Log an answer: who asked for how much, what came of it, and why models failed that others stood in for."""
    facts = {
        "request_id": notes.request_id,
        "method": method,
        "path": path,
        "status": notes.status,
        "latency_ms": round(latency_ms, 1),
        "dialect": notes.dialect,
        "key": notes.key,
        "model": notes.model,
        "documents": notes.documents,
        "tokens": notes.tokens,
        "cached": notes.cached,
        "truncated": notes.truncated,
        "unscored": notes.unscored,
        "failed": notes.failed,
        "fault": notes.fault,
        "stages": {name: round(ms, 1) for name, ms in notes.stages.items()},
    }
    said = {name: value for name, value in facts.items() if value not in ("", "-", 0, [], {})}
    _LOG.info("answered", extra={"facts": said})


def log_defect(error: Exception, notes: Notes) -> None:
    """Log an error that the client learned only the request's id of."""
    _LOG.error("failed", exc_info=error, extra={"facts": {"request_id": notes.request_id, "model": notes.model}})


class Lines(logging.Formatter):
    """One line a record: a JSON object, or text with `name=value` pairs."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self._is_json = form == "json"

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{record.msecs:03.0f}Z"
        facts: dict[str, Any] = getattr(record, "facts", {})
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        if self._is_json:
            line = {"time": when, "level": record.levelname.lower(), "event": record.getMessage(), **facts}
            return json.dumps(line | ({"trace": trace} if trace else {}), default=str)
        shown = " ".join(f"{name}={_one_line(value)}" for name, value in facts.items())
        return f"{when} {record.levelname.lower()} {_one_line(record.getMessage())} {shown}" + (
            f"\n{trace}" if trace else ""
        )


def _one_line(value: Any) -> str:
    """Nothing that a client sends may begin a line of its own."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(value))


def start_logging(form: str) -> None:
    """Send the server's lines to stderr; uvicorn's own access log stays off."""
    handler = logging.StreamHandler()
    handler.setFormatter(Lines(form))
    for name in ("shortlist.server", "uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO if name == "shortlist.server" else logging.WARNING)
