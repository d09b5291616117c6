"""Systems by name: `bm25@100 > shortlist-l6@50[precision=fp32] > owner/large@10`.

    system  = [ label "=" ] first { ">" model }
    first   = ( "bm25" | "dense" | "hybrid" | "weighted" | "run:" file ) [ "@" depth ]
    model   = name [ "@" depth ] [ "[" option "=" value { "," option "=" value } "]" ]

A model reranks the first `depth` of what the stage before it left (default: all); below them
the order stays. Options are those of the model's kind, `kind` itself, and `price`: what a million tokens costs, for the
cost column.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shortlist.errors import InputError
from shortlist.scorers.spelling import read_options

INDEXED = ("bm25", "dense", "hybrid", "weighted")
DEFAULT_DEPTH = 100

_RUN = "run:"
_LABEL = re.compile(r"\s*(?P<label>[^=>\[\]@:/]+?)\s*=(?P<rest>.*)", re.DOTALL)
_STAGE = re.compile(r"(?P<name>[^\[\]]+?)(?:@(?P<depth>\d+))?\s*(?:\[(?P<options>[^\[\]]*)\])?")


@dataclass(frozen=True, slots=True)
class StageSpec:
    """One stage as it is named: a first stage or a model, how many go into it (0: all), and its options."""

    name: str
    depth: int = 0
    options: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        options = ",".join(f"{key}={value}" for key, value in self.options.items())
        return f"{self.name}{f'@{self.depth}' if self.depth else ''}{f'[{options}]' if options else ''}"

    @property
    def loaded(self) -> str:
        """The name and options of what is loaded, as `--model` takes them: without depth and price."""
        return str(StageSpec(self.name, 0, {key: value for key, value in self.options.items() if key != "price"}))

    @property
    def run_file(self) -> str:
        """The file of a first stage that is a run; empty for any other."""
        return self.name.removeprefix(_RUN) if self.name.startswith(_RUN) else ""


@dataclass(frozen=True, slots=True)
class SystemSpec:
    """A first stage and the models that rerank, in order; `str(spec)` can be parsed again."""

    name: str
    first: StageSpec
    models: tuple[StageSpec, ...] = ()

    @property
    def stages(self) -> str:
        """The stages as they are written, without the label."""
        return " > ".join(map(str, (self.first, *self.models)))

    def __str__(self) -> str:
        return self.stages if self.name == self.stages else f"{self.name} = {self.stages}"


def parse_system(text: str) -> SystemSpec:
    """Read one system's spelling; raises InputError that shows the spelling, and the nearest name for a wrong one."""
    labelled = _LABEL.fullmatch(text)
    label, rest = (labelled["label"], labelled["rest"]) if labelled else ("", text)
    first, *models = [_stage(part, text) for part in rest.split(">")]
    if first.name not in INDEXED and not first.run_file:
        near = difflib.get_close_matches(first.name, INDEXED, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"{text!r} must begin with one of {', '.join(INDEXED)} or run:FILE, not {first.name!r}{hint}")
    if first.options:
        raise InputError(f"{text!r}: a first stage takes no options; they belong to a model")
    if not first.depth and not first.run_file:
        first = StageSpec(first.name, DEFAULT_DEPTH)
    spec = SystemSpec("", first, tuple(models))
    return SystemSpec(label or spec.stages, first, tuple(models))


def parse_systems(texts: Sequence[str]) -> tuple[SystemSpec, ...]:
    """Read several systems; raises InputError for none, and for two of one name."""
    specs = tuple(parse_system(text) for text in texts)
    names = [spec.name for spec in specs]
    twice = next((spec for spec in specs if names.count(spec.name) > 1), None)
    if not specs:
        raise InputError("no system was named; try 'bm25@100' and 'bm25@100 > shortlist-l6'")
    if twice is not None:
        raise InputError(f"two systems are called {twice.name!r}; give one a label: 'another = {twice.stages}'")
    return specs


def _stage(part: str, text: str) -> StageSpec:
    found = _STAGE.fullmatch(part.strip())
    if found is None:
        raise InputError(f"{text!r}: cannot read the stage {part.strip()!r}; write NAME@DEPTH[option=value,...]")
    if found["depth"] is not None and int(found["depth"]) == 0:
        raise InputError(f"{text!r}: a depth counts documents from 1")
    return StageSpec(found["name"].strip(), int(found["depth"] or 0), read_options(found["options"] or "", text))
