"""The catalogue as Markdown, for `docs/models.md`."""

from __future__ import annotations

from collections.abc import Iterable

from shortlist.catalogue.entries import Entry

_TITLES = {
    "cross-encoder": "Cross-encoders",
    "causal-lm": "Language models that answer yes or no",
    "seq2seq": "monoT5",
    "late-interaction": "Late interaction",
}


def as_markdown(entries: Iterable[Entry]) -> str:
    """Return one table a kind, in the order of the entries, and what else one should know of each model."""
    entries = tuple(entries)
    parts = []
    for kind in dict.fromkeys(entry.kind for entry in entries):
        of_kind = [entry for entry in entries if entry.kind == kind]
        parts += [f"### {_TITLES.get(kind, kind)}", "", *_table(of_kind), ""]
        notes = [f"- `{entry.name}`: {_note(entry)}" for entry in of_kind if _note(entry)]
        parts += [*notes, ""] if notes else []
    return "\n".join(parts).rstrip() + "\n"


def _table(entries: Iterable[Entry]) -> list[str]:
    rows = ["| name | on the hub | family | licence | parameters | reads | languages | install |"]
    rows.append("|---|---|---|---|---|---|---|---|")
    return rows + [
        f"| `{e.name}` | {e.hub} | {e.family} | {_licence(e)} | {e.parameters / 1e6:.0f} M | {e.max_length} tokens"
        f" | {', '.join(e.languages)} | {_install(e)} |"
        for e in entries
    ]


def _licence(entry: Entry) -> str:
    return entry.licence if entry.commercial else f"{entry.licence} (**not for commercial use**)"


def _install(entry: Entry) -> str:
    return "cannot be run" if entry.unsupported else f"`shortlist[{','.join(entry.needs)}]`"


def _note(entry: Entry) -> str:
    published = len(entry.reference)
    pinned = f"fetched at commit {entry.revision[:7]}" if entry.revision else ""
    scores = f"`shortlist verify` reproduces {published} published scores" if published else ""
    options = ", ".join(f"{name}={value!r}" for name, value in entry.options.items())
    run_with = f"loaded with `{options}`" if options else ""
    unsupported = f"cannot be run: {entry.unsupported}" if entry.unsupported else ""
    return "; ".join(part for part in (unsupported, run_with, entry.notes, pinned, scores) if part)
