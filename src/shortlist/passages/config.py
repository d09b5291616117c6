"""The blocks of configuration files (TOML, INI, YAML) under their `[section]` lines."""

from __future__ import annotations

import re

from shortlist.passages.blocks import Block, LineOutline

_SECTION = re.compile(r"(?:\[\[([^\[\]]{1,200})\]\]|\[([^\[\]]{1,200})\])\s*(?:[#;].*)?\Z")


def config_blocks(text: str) -> tuple[Block, ...]:
    """Return the blocks of a configuration file; a section's own line is part of its text."""
    outline = LineOutline(text.split("\n"))
    for place, line in enumerate(outline.lines):
        if section := _SECTION.match(line):
            outline.take(place, is_verbatim=True)
            outline.outline.heading(1, (section[1] or section[2]).strip())
        elif not line.strip():
            outline.take(place, is_verbatim=True)
            outline.blank(place)
    outline.take(len(outline.lines), is_verbatim=True)
    return outline.finish()
