"""Use the installed wheel as a new user would; run outside the checkout."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import shortlist

ranking = shortlist.rank("how tall is the tower?", ["It is made of iron.", "It is 330 metres tall."], top_k=1)
assert ranking.doc_ids == ("1",), ranking.doc_ids
assert "site-packages" in shortlist.__file__, shortlist.__file__
assert not any(name in sys.modules for name in ("torch", "transformers")), "the base install must not need torch"

command = [str(Path(sys.executable).with_name("shortlist"))]
found = subprocess.run(
    [*command, "search", "How do I sort by two keys?", "howto", "--json"], check=True, capture_output=True, text=True
)
best = json.loads(found.stdout)["results"][0]
assert best["place"]["path"] == "sorting.rst", best
subprocess.run([*command, "doctor"], check=True)

site = Path(shortlist.__file__).parents[1]
size = sum(file.stat().st_size for file in site.rglob("*") if file.is_file()) / 2**20
print(f"smoke test passed; site-packages holds {size:.0f} MiB")
