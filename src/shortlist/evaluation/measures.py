"""Measures as values, spelled as ir_measures spells them: `nDCG@10`, `RR(rel=2)@10`, `AP`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from shortlist.errors import InputError

# ours, computed in trec.py; whatever else is named goes to ir_measures
OWN = ("nDCG", "RR", "AP", "R", "P", "Judged")
DEFAULT = ("nDCG@10", "R@100", "RR@10")
# from judgements by subtopic; ir_measures computes them with pyndeval
_OF_SUBTOPICS = {"alpha_nDCG", "alpha_DCG", "ERR_IA", "nERR_IA", "NRBP", "nNRBP", "AP_IA", "P_IA", "StRecall"}

_ALIASES = {"NDCG": "nDCG", "MRR": "RR", "MAP": "AP", "Recall": "R", "Precision": "P", "alpha-nDCG": "alpha_nDCG"}
_NEEDS_CUTOFF = {"R", "P"}
_SPELLING = re.compile(r"(?P<name>(?:alpha-)?[A-Za-z_]\w*)(?:\((?P<options>[^()]*)\))?(?:@(?P<cutoff>\d+(?:\.\d+)?))?")
_BETWEEN = re.compile(r"\s+(?![^()]*\))")  # a space in brackets parts nothing: P(rel=2, judged_only=True)@10
_REL = re.compile(r"\s*rel\s*=\s*(\d+)\s*")


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure: its name, what it is cut off at (0: not at all), and from which grade a document is relevant.

    `options` is set for a measure that only ir_measures knows: the text in its brackets. So is `recall`,
    the level that stands in the cutoff's place in IPrec@0.1. `str(measure)` can be parsed again.
    """

    name: str
    cutoff: int = 0
    rel: int = 1
    options: str = ""
    recall: float | None = None

    def __str__(self) -> str:
        brackets = self.options or (f"rel={self.rel}" if self.rel != 1 else "")
        at = self.cutoff or self.recall
        return f"{self.name}{f'({brackets})' if brackets else ''}{'' if at is None else f'@{at}'}"

    @property
    def is_own(self) -> bool:
        """Whether shortlist computes it itself; ir_measures computes the others."""
        return self.name in OWN and not self.options

    @property
    def is_of_subtopics(self) -> bool:
        """Whether it is computed from judgements by subtopic, such as alpha_nDCG."""
        return self.name in _OF_SUBTOPICS


def parse_measure(text: str) -> Measure:
    """Read a measure's spelling.

    Raises InputError that shows the spelling, for a cutoff or grade of 0, and for a measure
    that makes no sense without a cutoff.
    """
    found = _SPELLING.fullmatch(text.strip())
    if found is None:
        raise InputError(f"{text!r} is no measure; write it as ir_measures does: nDCG@10, RR(rel=2)@10, AP")
    name, options = _ALIASES.get(found["name"], found["name"]), (found["options"] or "").strip()
    if name not in OWN and "." in (found["cutoff"] or ""):
        return Measure(_known(name), 0, 1, options, float(found["cutoff"]))
    cutoff = _cutoff(text, found["cutoff"])
    if name not in OWN:
        return Measure(_known(name), cutoff, 1, options)
    if not cutoff and name in _NEEDS_CUTOFF:
        raise InputError(f"{text!r} needs a cutoff, such as {name}@10")
    graded = _REL.fullmatch(options) if options else None
    if options and (graded is None or name in {"nDCG", "Judged"}):
        return Measure(name, cutoff, 1, options)
    return Measure(name, cutoff, _rel(text, graded[1]) if graded else 1)


def parse_measures(texts: Iterable[str]) -> tuple[Measure, ...]:
    """Read several spellings, each also a list parted by spaces; one that is there twice counts once."""
    words = [word for text in texts for word in _BETWEEN.split(text) if word]
    measures = tuple(dict.fromkeys(map(parse_measure, words)))
    if not measures:
        raise InputError(f"no measure was named; usual are {' '.join(DEFAULT)}")
    return measures


def _cutoff(text: str, digits: str | None) -> int:
    if digits is not None and ("." in digits or int(digits) == 0):
        raise InputError(f"{text!r}: a cutoff counts documents from 1")
    return int(digits or 0)


def _rel(text: str, digits: str) -> int:
    if int(digits) == 0:
        raise InputError(f"{text!r}: rel is the lowest relevant grade, from 1; 0 is 'not relevant'")
    return int(digits)


def _known(name: str) -> str:
    """Refuse what is surely a misspelling of ours; ir_measures judges other names when it is asked."""
    by_case = {own.lower(): own for own in OWN}
    if name.lower() in by_case and by_case[name.lower()] != name:
        raise InputError(f"there is no measure {name!r}; did you mean {by_case[name.lower()]!r}?")
    near = difflib.get_close_matches(name, ["nDCG", "Judged", "SDCG"], 1, cutoff=0.75)  # SDCG: theirs, but like nDCG
    if near and near[0] != name:
        raise InputError(f"there is no measure {name!r}; did you mean {near[0]!r}?")
    return name
