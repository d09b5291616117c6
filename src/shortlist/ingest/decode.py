"""Bytes to text: encodings, byte order marks, binary content."""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from shortlist.ingest.events import Problem

_HEAD = 8192  # bytes that are looked at to tell text from binary content; git looks at 8000
UTF_8 = "utf-8-sig"  # with or without a mark
_MARKS = (
    (codecs.BOM_UTF8, UTF_8),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark begins alike
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
REPLACEMENT = "\ufffd"
_LETTER = re.compile(rf"[^\x00-\x7f{REPLACEMENT}]")  # valid UTF-8 beyond ASCII
_BLOCK = 1 << 20
_DAMAGED = (gzip.BadGzipFile, EOFError, zlib.error)  # whoever reads the rows reports it, and keeps what stands before


def is_binary(path: Path) -> bool:
    """Tell by its first bytes whether a file is no text: it holds NUL and is not UTF-16 or UTF-32. Raises OSError."""
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
    return b"\0" in head and not _wide_encoding(head)


def decode(data: bytes, *, declared: str = "") -> tuple[str, tuple[Problem, ...]]:
    r"""Return the text with `\n` for every line end, and a problem if a guess or a replacement was needed.

    Tried in order: byte order mark, UTF-16 by its pattern of NULs, UTF-8, the `declared`
    encoding, Windows-1252 when not one letter beyond ASCII is valid UTF-8, and last UTF-8
    with U+FFFD for the invalid bytes.
    """
    encoding = _wide_encoding(data[:_HEAD]) or UTF_8
    problems: tuple[Problem, ...] = ()
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text, problems = _decode_anyhow(data, encoding, declared)
    if "\0" in text:
        problems = (*problems, Problem(0, f"{text.count(chr(0))} NUL characters were replaced by U+FFFD"))
        text = text.replace("\0", REPLACEMENT)
    return text.replace("\r\n", "\n").replace("\r", "\n"), problems


def encoding_of(opened: Callable[[], IO[bytes]]) -> tuple[str, tuple[Problem, ...]]:
    """Return the encoding in which `decode` would read content that is too large for it, and its problem with it.

    `opened` opens the content; it is read once, and again where it is not UTF-8.
    """
    head = b""
    with opened() as stream, suppress(*_DAMAGED):
        head = stream.read(_HEAD)
    wide = _wide_encoding(head)
    if wide or _is_valid(opened, UTF_8):
        return wide or UTF_8, ()
    if not any(map(_LETTER.search, _texts(opened, UTF_8, "replace"))) and _is_valid(opened, "windows-1252"):
        return "windows-1252", (Problem(0, "not UTF-8; read as windows-1252"),)
    return UTF_8, ()


def _is_valid(opened: Callable[[], IO[bytes]], encoding: str) -> bool:
    try:
        return all(True for _ in _texts(opened, encoding, "strict"))
    except UnicodeDecodeError:
        return False


def _texts(opened: Callable[[], IO[bytes]], encoding: str, errors: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    with opened() as stream, suppress(*_DAMAGED):
        while block := stream.read(_BLOCK):
            yield decoder.decode(block)
    yield decoder.decode(b"", final=True)


def _wide_encoding(head: bytes) -> str:
    """Return the encoding that a mark gives away, or UTF-16 when every other byte is mostly NUL."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    pairs = len(head) // 2
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if pairs and odd > 0.4 * pairs and not even:
        return "utf-16-le"
    return "utf-16-be" if pairs and even > 0.4 * pairs and not odd else ""


def _decode_anyhow(data: bytes, encoding: str, declared: str) -> tuple[str, tuple[Problem, ...]]:
    replaced = data.decode(encoding, errors="replace")
    guesses = [declared] if declared else []
    if encoding == UTF_8 and not _LETTER.search(replaced):
        guesses.append("windows-1252")
    for guess in guesses:
        with suppress(LookupError, UnicodeError):  # an unknown or a wrong guess: on to the next
            return data.decode(guess), (Problem(0, f"not UTF-8; read as {guess}"),)
    count = replaced.count(REPLACEMENT)
    return replaced, (Problem(0, f"{count} invalid byte sequences ({encoding}) were replaced by U+FFFD"),)
