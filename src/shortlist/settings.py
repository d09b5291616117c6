"""Settings from a TOML file and the environment, read only when asked."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from shortlist._toml import tomllib
from shortlist.errors import SettingsError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

FILE_NAME = "shortlist.toml"
PREFIX = "SHORTLIST_"
DEFAULT_MODEL = "shortlist-l6"
DEFAULT_ENCODER = "all-minilm-l6-v2"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a command or a pipeline uses when its caller names nothing else.

    `model` and `encoder`: packaged name, folder or hub repository; a model of another kind as
    `kind:name`, e.g. "cohere:rerank-v3.5", "tei:http://localhost:8080" or "llm-listwise:qwen3"; options of
    its kind behind it, as in "llm-listwise:qwen3[window=10,step=5]". `fallback`: models
    asked in turn when it fails (in the environment: separated by spaces). `engine`: "auto",
    "native", "openvino", "onnxruntime" or "torch". `precision`: "auto", "fp32", "bf16", "fp16", "int16" or "int8".
    `device`: where the reranker runs, "auto", "cpu", "cuda" or "cuda:1"; a GPU needs torch.
    `threads`: 0 for as many as this process has cores. `long_documents`: see `LongDocuments`;
    "auto" is the model's own way, for most "head".
    `generator`: what `ask` lets answer, a GGUF file, or a model's name on `llm_server`, the address of an
    OpenAI-compatible one, where the rerankers `llm-...:name` run, too; "none" for neither.
    `depth`: candidates from the first stage. `top_k`: how many come out.
    `score_cache`: where scores are kept for pairs that come again, "none", "memory", "disk" (a file that processes
    share), or a file's path. `exact`: whether a pair must score the same to the bit whatever it comes with.
    `exits`: a file of `shortlist exits`, or "packaged", with which `model` drops candidates early that are out of
    reach of the top k; "none" for none.
    `first_stage_weight`: the share of the first stage's scores in the order of a search, 0 to 1, as
    `shortlist advise` fits it; 0 is the reranker alone. `diversity`: how much a document that says what one before it
    says is put back for it, 0 to 1 (`diversified`); 0 is relevance alone.
    """

    model: str = DEFAULT_MODEL
    encoder: str = DEFAULT_ENCODER
    engine: str = "auto"
    precision: str = "auto"
    device: str = "auto"
    threads: int = 0
    long_documents: str = "auto"
    depth: int = 100
    top_k: int = 5
    first_stage_weight: float = 0.0
    diversity: float = 0.0
    fallback: tuple[str, ...] = ()
    generator: str = "none"
    llm_server: str = "none"
    score_cache: str = "none"
    exact: bool = False
    exits: str = "none"

    @classmethod
    def load(cls, *, file: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
        """Read `file` (if any), then `SHORTLIST_DEPTH` and its like from `environ`, which win.

        Raises SettingsError that names the file or variable, the value and what is allowed.
        """
        return load_fields(cls(), file=file, environ=environ or {}, least=_LEAST, most=_MOST)


_LEAST = {"threads": 0, "depth": 1, "top_k": 1}
_MOST = {"first_stage_weight": 1, "diversity": 1}
_NONE: Mapping[str, float] = MappingProxyType({})
_TABLES = ("serve",)  # tables of the file that others read
_Fields = TypeVar("_Fields", bound="DataclassInstance")


def load_fields(
    start: _Fields,
    *,
    file: Path | None,
    environ: Mapping[str, str],
    table: str = "",
    least: Mapping[str, float] = _NONE,
    most: Mapping[str, float] = _NONE,
) -> _Fields:
    """Return a dataclass with what the file says of it (in a `table`), then the environment, which wins.

    Variables are `SHORTLIST_` or `SHORTLIST_TABLE_` and a field's name; lists are separated by spaces there.
    `least` and `most` are the lowest and the highest numbers allowed. Raises SettingsError as `Settings.load` does.
    """
    found: dict[str, Any] = {}
    if file is not None:
        content = _read(file)
        inside = content.get(table, {}) if table else {k: v for k, v in content.items() if k not in _TABLES}
        if not isinstance(inside, dict):
            raise SettingsError(f"{file}: [{table}] must be a table, got {inside!r}")
        found = _checked(start, inside, f"{file}: " + (f"[{table}] " if table else ""), least, most)
    prefix = PREFIX + (f"{table.upper()}_" if table else "")
    said = {name[len(prefix) :].lower(): value for name, value in environ.items() if name.startswith(prefix)}
    known = {name: value for name, value in said.items() if name in _kinds(start)}
    return replace(start, **{**found, **_checked(start, known, "environment: ", least, most)})


def _kinds(start: DataclassInstance) -> dict[str, str]:
    return {f.name: str(f.type) for f in fields(start)}


def _read(file: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingsError(f"cannot read the settings file {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is no valid TOML: {error}") from error


def _checked(
    start: DataclassInstance,
    values: Mapping[str, Any],
    where: str,
    least: Mapping[str, float],
    most: Mapping[str, float],
) -> dict[str, Any]:
    kinds = _kinds(start)
    unknown = sorted(set(values) - set(kinds))
    if unknown:
        raise SettingsError(f"{where}unknown setting {unknown[0]!r}; known are {', '.join(kinds)}")
    return {
        name: _one(kinds[name], value, f"{where}{name}", (least.get(name, 0), most.get(name, math.inf)))
        for name, value in values.items()
    }


def _one(kind: str, value: Any, what: str, bounds: tuple[float, float]) -> Any:
    if kind in {"int", "float"}:
        return _number(int if kind == "int" else float, value, what, bounds)
    if kind == "Mapping[str, Mapping[str, int]]":
        return _tables(value, what, bounds)
    return _READERS[kind](value, what)


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise SettingsError(f"{what} must be a text, got {value!r}")
    return value


def _texts(value: Any, what: str) -> tuple[str, ...]:
    texts = value.split() if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) and text for text in texts):
        raise SettingsError(f"{what} must be a list of texts, got {value!r}")
    return tuple(texts)


def _truth(value: Any, what: str) -> bool:
    known = {"true": True, "1": True, "false": False, "0": False}
    truth = known.get(value.lower()) if isinstance(value, str) else value
    if not isinstance(truth, bool):
        raise SettingsError(f"{what} must be true or false, got {value!r}")
    return truth


def _table(value: Any, what: str) -> Mapping[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise SettingsError(f"{what} must be a table of texts, got {value!r}")
    return value


_READERS: Mapping[str, Callable[[Any, str], Any]] = {
    "str": _text,
    "tuple[str, ...]": _texts,
    "bool": _truth,
    "Mapping[str, str]": _table,
}


def _tables(value: Any, what: str, bounds: tuple[float, float]) -> Mapping[str, Mapping[str, int | float]]:
    if not isinstance(value, dict) or not all(isinstance(table, dict) for table in value.values()):
        raise SettingsError(f"{what} must be a table of tables, got {value!r}")
    return {
        name: {key: _number(int, number, f"{what}.{name}.{key}", bounds) for key, number in table.items()}
        for name, table in value.items()
    }


def _number(wanted: type[int] | type[float], value: Any, what: str, bounds: tuple[float, float]) -> int | float:
    least, most = bounds
    allowed = int | str if wanted is int else int | float | str
    try:
        number = wanted(value) if isinstance(value, allowed) and not isinstance(value, bool) else None
    except ValueError:
        number = None
    if number is None or not least <= number <= most or number == math.inf:
        name = "a whole number" if wanted is int else "a number"
        allowed_to = "" if most == math.inf else f" to {most}"
        raise SettingsError(f"{what} must be {name} from {least}{allowed_to}, got {value!r}")
    return number
