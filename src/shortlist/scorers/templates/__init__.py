"""The prompts of rerankers that are language models, one small module a family, as their authors published them."""

from __future__ import annotations

import difflib

from shortlist.errors import InputError
from shortlist.scorers.templates.bge_gemma import BGE_GEMMA
from shortlist.scorers.templates.bge_layerwise import BGE_LAYERWISE
from shortlist.scorers.templates.monot5 import MONOT5
from shortlist.scorers.templates.mxbai_v2 import MXBAI_V2
from shortlist.scorers.templates.pair import PairTemplate, ReadOut
from shortlist.scorers.templates.qwen3 import QWEN3

CAUSAL: dict[str, PairTemplate] = {one.name: one for one in (QWEN3, BGE_GEMMA, MXBAI_V2, BGE_LAYERWISE)}

__all__ = ["CAUSAL", "MONOT5", "PairTemplate", "ReadOut", "causal_template"]


def causal_template(name: str | PairTemplate | None) -> PairTemplate:
    """Return a template of a causal model by name, or the template itself; raises InputError that lists the names."""
    if isinstance(name, PairTemplate):
        return name
    if name is None:
        raise InputError(f"a causal-lm needs a template: template={' or '.join(map(repr, CAUSAL))}, or a PairTemplate")
    if name not in CAUSAL:
        near = difflib.get_close_matches(name, CAUSAL, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"no template {name!r} (there are: {', '.join(CAUSAL)}){hint}")
    return CAUSAL[name]
