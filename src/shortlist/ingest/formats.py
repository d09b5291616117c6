"""Which reader reads which file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import cast

from shortlist.ingest.source import Reader

_READERS = "shortlist.ingest.readers"
ENTRY_POINTS = "shortlist.readers"  # name: a suffix like ".docx", value: "module:attr"


@dataclass(frozen=True, slots=True)
class Format:
    """How a kind of file is read; files that are not text are not checked for binary content."""

    reader: str  # "module:attr"
    suffixes: tuple[str, ...]
    is_text: bool = True

    def load(self) -> Reader:
        """Import the reader."""
        module, _, attribute = self.reader.partition(":")
        return cast("Reader", getattr(import_module(module), attribute))


PLAIN = Format(f"{_READERS}.text:plain", (".txt", ".text", ".adoc", ".org", ".tex"))
BEIR = Format(f"{_READERS}.jsonl:beir", ())
BEIR_GZ = Format(f"{_READERS}.jsonl:beir", (), is_text=False)
# fmt: off
_CODE = (
    ".py", ".pyi", ".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx", ".java", ".kt", ".scala", ".go", ".rs", ".c", ".h",
    ".cc", ".cpp", ".cxx", ".hpp", ".cs", ".rb", ".php", ".swift", ".sh", ".bash", ".sql", ".lua", ".pl", ".r", ".jl",
    ".ex", ".exs", ".hs", ".proto",
)
_TEXT_NAMES = frozenset({
    "authors", "changelog", "changes", "contributing", "copying", "dockerfile", "history", "install", "license",
    "makefile", "news", "notice", "readme", "todo",
})
# fmt: on
# .json, .log and .css are left out: mostly data; they are read when named themselves
FORMATS = (
    PLAIN,
    Format(f"{_READERS}.text:markdown", (".md", ".markdown", ".mdx", ".qmd", ".rmd")),
    Format(f"{_READERS}.text:rst", (".rst", ".rst.txt")),
    Format(f"{_READERS}.text:code", _CODE),
    Format(f"{_READERS}.text:config", (".toml", ".ini", ".cfg", ".yaml", ".yml")),
    Format(f"{_READERS}.html:html", (".html", ".htm", ".xhtml")),
    Format(f"{_READERS}.pdf:pdf", (".pdf",), is_text=False),
    Format(f"{_READERS}.jsonl:jsonl", (".jsonl", ".ndjson")),
    Format(f"{_READERS}.jsonl:jsonl", (".jsonl.gz", ".ndjson.gz"), is_text=False),
    Format(f"{_READERS}.table:csv", (".csv",)),
    Format(f"{_READERS}.table:tsv", (".tsv",)),
    Format(f"{_READERS}.table:csv", (".csv.gz",), is_text=False),
    Format(f"{_READERS}.table:tsv", (".tsv.gz",), is_text=False),
)
_BY_SUFFIX = {suffix: format for format in FORMATS for suffix in format.suffixes}


def format_of(name: str) -> Format | None:
    """Return the format of a file by its name: our own by the longest suffix, then those of plugins."""
    lowered = name.lower()
    if lowered in _TEXT_NAMES:
        return PLAIN
    parts = lowered.split(".")
    suffixes = ["." + ".".join(parts[place:]) for place in range(1, len(parts))]
    known = {**_plugins(), **_BY_SUFFIX}
    return next((known[suffix] for suffix in suffixes if suffix in known), None)


@cache
def _plugins() -> dict[str, Format]:
    # a plugin's format may be binary, and its reader is the one to know
    return {entry.name: Format(entry.value, (entry.name,), is_text=False) for entry in entry_points(group=ENTRY_POINTS)}
