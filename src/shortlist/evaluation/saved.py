"""An evaluation as one JSON file, and what differs when it is run again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from shortlist.errors import InputError
from shortlist.evaluation.results import Evaluation, Moved, Passage, SystemResult
from shortlist.evaluation.significance import Comparison
from shortlist.evaluation.systems import Answered

FORMAT = 1
_SAME = 1e-6  # of a measure: rounding of a sum, never another order


def save(evaluation: Evaluation, path: Path) -> None:
    """Write an evaluation with everything that its report and its replay need."""
    text = json.dumps({"format": FORMAT, **asdict(evaluation)}, ensure_ascii=True, indent=1)
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}; name a file in a folder that is there") from error


def load(path: Path) -> Evaluation:
    """Read a saved evaluation; raises InputError for any other file."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            raise InputError(f"{path} is of format {values['format']!r}; this shortlist reads format {FORMAT}")
        return _evaluation(values)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is no saved evaluation ({type(error).__name__}: {error})") from error


def _evaluation(values: Mapping[str, Any]) -> Evaluation:
    return Evaluation(
        values["request"],
        values["collection"],
        values["provenance"],
        tuple(values["measures"]),
        tuple(_system(one) for one in values["systems"]),
        {name: tuple(Comparison(**one) for one in found) for name, found in values["comparisons"].items()},
        tuple(_moved(one) for one in values["moved"]),
        values["relevance"],
        values["seed"],
    )


def _system(values: Mapping[str, Any]) -> SystemResult:
    answers = {q: Answered(**{k: _tuple(v) for k, v in one.items()}) for q, one in values["answers"].items()}
    intervals = {name: (low, high) for name, (low, high) in values["intervals"].items()}
    return SystemResult(
        **{**{name: _tuple(value) for name, value in values.items()}, "answers": answers, "intervals": intervals}
    )


def _moved(values: Mapping[str, Any]) -> Moved:
    both = {name: tuple(Passage(**one) for one in values[name]) for name in ("passages", "baseline_passages")}
    return Moved(**{**values, **both})


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class Replay:
    """What a second run found against the first; `is_same` when every measure of every query is equal."""

    is_same: bool
    lines: tuple[str, ...]


def replayed(first: Evaluation, second: Evaluation) -> Replay:
    """Compare two runs of one request: surroundings, data, models, values, orders, latency."""
    by_name = {result.name: result for result in second.systems}
    changed = {one.name: _changed(one, by_name[one.name]) for one in first.systems if one.name in by_name}
    is_same = not any(changed.values()) and set(changed) == {result.name for result in first.systems}
    lines = [*_surroundings(first, second)]
    for result in first.systems:
        lines += _system_lines(result, by_name.get(result.name), changed.get(result.name, ()))
    return Replay(is_same, tuple(lines))


def _surroundings(first: Evaluation, second: Evaluation) -> Iterator[str]:
    for part in ("versions", "hardware"):
        before, now = first.provenance[part], second.provenance[part]
        for name in dict.fromkeys((*before, *now)):
            if before.get(name) != now.get(name) and name != "load_at_start":
                yield f"{name}: {before.get(name, 'absent')} then, {now.get(name, 'absent')} now"
    if first.collection["fingerprint"] != second.collection["fingerprint"]:
        yield f"the collection differs: {dict(first.collection)} then, {dict(second.collection)} now"


def _changed(first: SystemResult, second: SystemResult) -> tuple[str, ...]:
    """Name the (measure, query) whose values differ."""
    return tuple(
        f"{measure} of {query_id}: {value:.6f} then, {second.values.get(measure, {}).get(query_id, 0.0):.6f} now"
        for measure, found in first.values.items()
        for query_id, value in found.items()
        if abs(value - second.values.get(measure, {}).get(query_id, -1.0)) > _SAME
    )


def _system_lines(first: SystemResult, second: SystemResult | None, changed: tuple[str, ...]) -> Iterator[str]:
    if second is None:
        yield f"{first.name}: was not run"
        return
    if first.models != second.models:
        yield f"{first.name}: models {' | '.join(first.models)} then, {' | '.join(second.models)} now"
    both = first.answers.keys() & second.answers.keys()
    moved = sum(first.answers[query_id].doc_ids != second.answers[query_id].doc_ids for query_id in both)
    values = f"{len(changed)} values differ, such as {changed[0]}" if changed else "every value is the same"
    orders = f"{moved} of {len(both)} rankings are ordered differently" if moved else "so is every order"
    before, now = first.latency_ms(50), second.latency_ms(50)
    yield f"{first.name}: {values}; {orders}; P50 {before:.1f} ms then, {now:.1f} ms now"
