"""bge-reranker-v2-minicpm-layerwise: the layout of bge-gemma, with a score head a layer instead of "Yes"."""

from __future__ import annotations

from dataclasses import replace

from shortlist.scorers.templates.bge_gemma import BGE_GEMMA

BGE_LAYERWISE = replace(
    BGE_GEMMA,
    name="bge-layerwise",
    opening="<s>",
    special=("<s>",),
    answers=(),
    cutoff_layer=28,  # of 40, as its model card recommends
)
