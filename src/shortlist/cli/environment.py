"""Variables that are nearly a setting's: misspelt, or of an earlier version."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import fields

from shortlist.settings import PREFIX, Settings

_OTHERS = ("MODELS", "LLM_KEY", "COMPLETE")
_OF_KUBERNETES = f"{PREFIX}SERVICE_"  # which its pods have beside a service called shortlist


def strays(names: Iterable[str]) -> dict[str, str]:
    """Return each variable that nothing reads and that is nearly one that is read, with a sentence that says so."""
    known = [*(field.name.upper() for field in fields(Settings)), *_OTHERS]
    ours = [name for name in sorted(names) if name.startswith(PREFIX) and not name.startswith(_OF_KUBERNETES)]
    said = {name: name.removeprefix(PREFIX).upper() for name in ours}
    if set(known).issuperset(said.values()):
        return {}
    from shortlist.server.settings import ServeSettings  # which most commands do without

    serving = [f"SERVE_{field.name.upper()}" for field in fields(ServeSettings)]
    near = {name: _near(one, known) or _near(one, serving) for name, one in said.items() if one not in known + serving}
    return {name: f"{name} is read by nothing; did you mean {PREFIX}{one[0]}?" for name, one in near.items() if one}


def _near(name: str, known: list[str]) -> list[str]:
    return difflib.get_close_matches(name, known, 1, 0.7)
