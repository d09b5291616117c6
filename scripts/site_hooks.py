"""What MkDocs puts into pages when it builds the site: the table of choosing.md, the commands of cli.md."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from shortlist.planning.quality import packaged_table

ROOT = Path(__file__).parents[1]
HELP = ROOT / "tests" / "cli" / "golden"
LATENCIES = ROOT / "docs" / "figures" / "choosing.json"
_MARKER = re.compile(r"<!-- (choosing|commands): [^>]*-->")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the markers of a page."""
    makers = {"choosing": choosing_table, "commands": commands}
    return _MARKER.sub(lambda found: makers[found[1]](), markdown)


def choosing_table() -> str:
    """Return measured latencies beside the figures of quality, slowest last."""
    held = json.loads(LATENCIES.read_text(encoding="utf-8"))
    quality = packaged_table()
    rows = []
    for row in sorted(held["rows"], key=lambda row: row["p95_ms"]):
        expected = quality.expected(row["model"], depth=row["depth"], read=_read(quality, row["model"]))
        if expected is not None:
            named = f"`{row['model']}`, {row['engine']}"
            rows.append(f"| {named} | {row['depth']} | {row['p50_ms']} | {row['p95_ms']} | {expected.value:.4f} |")
    first = quality.first_stage()
    rows.insert(0, f"| none: BM25's order | 0 | 0 | 0 | {first.value if first else 0:.4f} |")
    run = held["run"]
    about = (
        f"Latency of one query, {held['calls']} calls, documents of about {held['tokens']} tokens, on {held['cores']}"
        f" core(s), {run['hardware']['processor']} ({', '.join(run['hardware']['instructions'])}): `{run['command']}`."
        " Quality: BM25's first documents of TREC DL 2019 reranked, 43 queries; differences below .02 are noise."
    )
    header = "| model, engine | depth | P50 ms | P95 ms | nDCG@10 |\n|---|--:|--:|--:|--:|"
    return "\n".join(['<div class="choosing" markdown>', "", header, *rows, "", "</div>", "", about])


def _read(quality: Any, model: str) -> float:
    """Return the share of each document that the figures of a model were measured with, the largest there is."""
    return max((figure.read for figure in quality.figures if figure.model == model), default=1.0)


def commands() -> str:
    """Return what every command says with --help."""
    names = sorted(file.stem for file in HELP.glob("*.txt") if file.stem != "shortlist")
    return "\n\n".join(
        f"## shortlist {name}\n\n```text\n{(HELP / f'{name}.txt').read_text(encoding='utf-8').rstrip()}\n```"
        for name in names
    )
