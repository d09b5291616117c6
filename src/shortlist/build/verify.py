"""Whether a model, on the engines installed here, gives the scores it should."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shortlist.build.models import load_model
from shortlist.catalogue import Reference, find_entry
from shortlist.errors import InputError, MissingExtraError, UnsupportedModelError
from shortlist.evaluation.agreement import Agreement, agreement, over_queries
from shortlist.inference.load import TORCH, installed_engines
from shortlist.inference.modules import read_json
from shortlist.inference.real_texts import real_texts
from shortlist.inference.session import Precision
from shortlist.protocols import Scorer
from shortlist.scorers.asked_of import close
from shortlist.types import Document, Query
from shortlist.weights import find_packaged

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a precision may stray: largest difference in standard deviations of the reference's scores, and order."""

    difference: float
    tau: float
    top_10_overlap: float


# Measured on the packaged cross-encoder, see docs/decisions.md, "When a backend counts as right".
LIMITS = {
    Precision.FP32: Limits(0.02, 0.97, 0.95),
    Precision.INT16: Limits(0.02, 0.97, 0.95),
    Precision.INT8: Limits(0.6, 0.80, 0.80),
}
_HALF = Limits(0.15, 0.92, 0.90)  # bf16 and fp16


@dataclass(frozen=True, slots=True)
class Reproduced:
    """A published score beside the one computed here."""

    reference: Reference
    score: float

    @property
    def ok(self) -> bool:
        """Whether it is within the reference's tolerance."""
        return abs(self.score - self.reference.score) <= self.reference.tolerance


@dataclass(frozen=True, slots=True)
class Backend:
    """One engine in one precision: how it agrees with the reference backend, or why it was not run.

    `relative_difference` is the largest difference in standard deviations of the reference's scores.
    """

    engine: str
    precision: str
    skipped: str = ""
    agreement: Agreement | None = None
    relative_difference: float = 0.0
    reproduced: tuple[Reproduced, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it was not run, or keeps the limits of its precision (published scores bind fp32 alone)."""
        if self.agreement is None:
            return True
        limits = LIMITS.get(Precision(self.precision), _HALF)
        kept = (
            self.relative_difference <= limits.difference
            and self.agreement.tau >= limits.tau
            and self.agreement.top_10_overlap >= limits.top_10_overlap
        )
        return kept and (self.precision != "fp32" or all(pair.ok for pair in self.reproduced))


@dataclass(frozen=True, slots=True)
class Verification:
    """What was compared with which reference, on how many pairs."""

    model: str
    reference: str
    note: str
    pairs: int
    backends: tuple[Backend, ...]

    @property
    def ok(self) -> bool:
        """Whether every backend that was run is right."""
        return all(backend.ok for backend in self.backends)


@dataclass(frozen=True, slots=True)
class _Run:
    """The scores of one backend: one vector a query, and the published pairs' scores."""

    scores: tuple[Floats, ...]
    published: tuple[float, ...]


_Runner = Callable[[str, str], _Run | str]


def verify_model(
    name: str,
    *,
    engine: str = "all",
    precision: str = "all",
    device: str = "auto",
    threads: int | None = None,
) -> Verification:
    """Compare engines and precisions with the fp32 reference on 40 pairs, and with the published scores there are.

    The reference is torch in fp32 where it is installed and can run the model, else ONNX Runtime
    in fp32, and the note says which and why. `device` is torch's, the other engines have the processor
    alone. Raises as `load_model` does when no backend can run it.
    """
    engines = list(installed_engines()) if engine == "all" else [engine]
    precisions = [p.value for p in Precision if p is not Precision.AUTO] if precision == "all" else [precision]
    if precision == "auto":
        raise InputError("a precision to verify is named, or 'all'; 'auto' may be any")
    published = published_scores(name)
    queries, documents = real_pairs()

    def run(engine: str, precision: str) -> _Run | str:
        try:
            where = device if engine == TORCH else "auto"
            scorer = load_model(name, engine=engine, precision=precision, threads=threads, device=where)
        except (UnsupportedModelError, MissingExtraError) as error:
            return str(error)
        with _closing(scorer):
            return _Run(
                tuple(scorer.score(query, documents).values for query in queries),
                tuple(float(scorer.score(Query(p.query), [Document(p.document)]).values[0]) for p in published),
            )

    reference, truth, note = _reference(run)
    asked = [(one, kind) for one in engines for kind in precisions]
    runs = {one: truth if one == (reference, "fp32") else run(*one) for one in asked}
    backends = tuple(_compared(*one, found, truth, published) for one, found in runs.items())
    return Verification(name, f"{reference} fp32", note, len(queries) * len(documents), backends)


def published_scores(name: str) -> tuple[Reference, ...]:
    """Return the published scores of a packaged model's card, or of the catalogue's entry; often there are none."""
    packaged = find_packaged(name)
    if packaged is not None:
        return tuple(Reference(**pair) for pair in packaged.card.get("reference", ()))
    stored = read_json(Path(name) / "shortlist.json", dict).get("name") if Path(name).is_dir() else name
    entry = find_entry(str(stored))
    return entry.reference if entry is not None else ()


def real_pairs() -> tuple[tuple[Query, ...], tuple[Document, ...]]:
    """Return two queries and twenty passages of real text, every one of which is scored for both."""
    queries, passages = real_texts()
    return tuple(map(Query, queries)), tuple(Document(text, str(place)) for place, text in enumerate(passages))


@contextmanager
def _closing(scorer: Scorer) -> Iterator[None]:
    """End a scorer's threads afterwards."""
    try:
        yield
    finally:
        close(scorer)


def _reference(run: _Runner) -> tuple[str, _Run, str]:
    """Run the first of the possible references that can; return its engine, its scores, and why it is not torch."""
    there = installed_engines()
    notes = [] if "torch" in there else ["torch is not among the engines here"]
    for engine in [e for e in ("torch", "onnxruntime", "openvino") if e in there]:
        found = run(engine, "fp32")
        if isinstance(found, _Run):
            return engine, found, "; ".join(notes)
        notes.append(f"{engine} cannot run it: {found}")
    raise UnsupportedModelError(f"no engine can be the reference: {'; '.join(notes)}")


def _compared(engine: str, precision: str, found: _Run | str, truth: _Run, published: Sequence[Reference]) -> Backend:
    if isinstance(found, str):
        return Backend(engine, precision, skipped=found)
    both = list(zip(found.scores, truth.scores, strict=True))
    agreed = over_queries([agreement(scores, reference) for scores, reference in both])
    spread = float(np.std(np.concatenate(truth.scores)))
    reproduced = tuple(Reproduced(p, s) for p, s in zip(published, found.published, strict=True))
    relative = agreed.largest_difference / spread if spread else float("inf")
    return Backend(engine, precision, "", agreed, relative, reproduced)
