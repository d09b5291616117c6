"""The families that can be exported, by the `model_type` of config.json."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from shortlist.errors import UnsupportedModelError
from shortlist.inference.export.bert import BERT
from shortlist.inference.export.config import Config
from shortlist.inference.export.deberta import DEBERTA
from shortlist.inference.export.distilbert import DISTILBERT
from shortlist.inference.export.electra import ELECTRA
from shortlist.inference.export.family import Family
from shortlist.inference.export.modernbert import MODERNBERT
from shortlist.inference.export.mpnet import MPNET
from shortlist.inference.export.roberta import CAMEMBERT, ROBERTA, XLM_ROBERTA

FAMILIES: dict[str, Family] = {
    "bert": BERT,
    "camembert": CAMEMBERT,
    "deberta-v2": DEBERTA,
    "distilbert": DISTILBERT,
    "electra": ELECTRA,
    "modernbert": MODERNBERT,
    "mpnet": MPNET,
    "roberta": ROBERTA,
    "xlm-roberta": XLM_ROBERTA,
}

_WAY_OUT = "put a ready-made ONNX file into the folder as model.onnx, which is used as it is"


def family_of(config: Config) -> tuple[str, Family]:
    """Return the model type and its family. Raises UnsupportedModelError that lists the known ones."""
    name = config.text("model_type", "")
    if name in FAMILIES:
        return name, FAMILIES[name]
    nearest = get_close_matches(name, FAMILIES, n=1)
    hint = f" (nearest: {nearest[0]})" if nearest else ""
    raise UnsupportedModelError(
        f"{config.folder}: model_type={name!r} cannot be exported; known are {', '.join(FAMILIES)}{hint}."
        f" For any other, {_WAY_OUT}"
    )


def check_architecture(config: Config, wanted: Collection[str], *, use: str) -> None:
    """Raise UnsupportedModelError when `architectures` names none of the `wanted` classes, or the model has own code.

    Custom code keeps a known `model_type` at times (Jina's BERT with ALiBi is a "bert"), or even the
    name of a known class (Jina's XLM-R), so the names are compared exactly and `auto_map` is refused.
    """
    named, own = config.strings("architectures"), config.section("auto_map").values
    if own:
        raise UnsupportedModelError(
            f"{config.folder}: architectures={list(named)} cannot be exported: config.json asks for code of the"
            f" model's own (auto_map: {', '.join(sorted(map(str, own.values())))}), which is not run; {_WAY_OUT}"
        )
    if named and not set(named) & set(wanted):
        raise UnsupportedModelError(
            f"{config.folder}: architectures={list(named)} cannot be exported {use};"
            f" it must name {' or '.join(wanted)}. For any other, {_WAY_OUT}"
        )
