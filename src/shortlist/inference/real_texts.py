"""Two questions and twenty passages of real text that come with us, for comparisons and to calibrate int8."""

from __future__ import annotations

import json
from pathlib import Path


def real_texts() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the queries and the passages of `pairs.json`, which says where they are from."""
    content = json.loads(Path(__file__).with_name("pairs.json").read_text(encoding="utf-8"))
    return tuple(content["queries"]), tuple(passage["text"] for passage in content["passages"])
