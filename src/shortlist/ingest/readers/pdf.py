"""PDF files, page by page, with pypdf."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from shortlist._optional import require
from shortlist.errors import InputError
from shortlist.ingest.decode import REPLACEMENT
from shortlist.ingest.events import Problem
from shortlist.ingest.source import SourceFile
from shortlist.passages.structure import Passage, cut
from shortlist.types import Document


def pdf(file: SourceFile) -> Iterator[Document | Problem]:
    """Yield each page's passages; lines mean nothing here, the heading and `metadata["page"]` name the page.

    Raises MissingExtraError without pypdf, InputError when the file is broken or encrypted.
    """
    pypdf = require("pypdf", extra="pdf")
    data = file.read()
    with _heard("pypdf") as complaints:
        pages = _opened(pypdf, data, file.source)
        number = 0
        for page, text in enumerate(_page_texts(pages, complaints), 1):
            for passage in cut(text, size=file.recipe.size):
                number += 1
                placed = Passage(passage.text, 0, 0, (f"page {page}",))
                yield file.document(placed, number, format="pdf", page=page)
    yield from (Problem(0, f"pypdf: {complaint}") for complaint in dict.fromkeys(complaints))
    if not number:
        yield Problem(0, "no text on any page; scanned pages need OCR first")


def _opened(pypdf: Any, data: bytes, source: str) -> list[Any]:
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise InputError(f"{source} is encrypted; remove its password first")
        return list(reader.pages)
    except InputError:
        raise
    except Exception as error:  # a damaged file makes pypdf raise nearly anything, from KeyError to RecursionError
        raise InputError(f"{source} is no PDF that pypdf can read ({type(error).__name__}: {error})") from error


def _page_texts(pages: list[Any], complaints: list[str]) -> Iterator[str]:
    for number, page in enumerate(pages, 1):
        try:
            text = str(page.extract_text())
        except Exception as error:  # as above; the other pages may be fine
            complaints.append(f"page {number} cannot be read ({type(error).__name__}: {error})")
            text = ""
        # broken font tables give NULs and half surrogates
        yield text.replace("\0", REPLACEMENT).encode("utf-8", "replace").decode()


@contextmanager
def _heard(name: str) -> Iterator[list[str]]:
    """Collect what a library would log to the terminal."""
    said: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger(name)
    propagates, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield said
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagates
