"""Settings come from a file and the environment, and say what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from shortlist.errors import SettingsError
from shortlist.settings import Settings


def written(folder: Path, text: str) -> Path:
    file = folder / "shortlist.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, 'depth = 50\nprecision = "fp32"')
    settings = Settings.load(file=file, environ={"SHORTLIST_DEPTH": "70", "SHORTLIST_DATA": "/elsewhere", "HOME": "/"})
    assert (settings.depth, settings.precision, settings.top_k) == (70, "fp32", 5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dept = 3", "unknown setting 'dept'"),
        ("depth = 0", "depth must be a whole number from 1, got 0"),
        ("depth = true", "depth must be a whole number"),
        ('depth = "many"', "depth must be a whole number"),
        ("model = 3", "model must be a text"),
        ("first_stage_weight = 5", r"shortlist.toml: first_stage_weight must be a number from 0 to 1, got 5"),
        ("first_stage_weight = -0.1", "first_stage_weight must be a number from 0 to 1, got -0.1"),
        ("first_stage_weight = inf", "first_stage_weight must be a number from 0 to 1, got inf"),
        ("depth =", "no valid TOML"),
        ("fallback = 3", "fallback must be a list of texts, got 3"),
        ('fallback = ["a", 3]', "fallback must be a list of texts"),
    ],
)
def test_a_bad_file_is_explained(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Settings.load(file=written(tmp_path, text))


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot read the settings file"):
        Settings.load(file=tmp_path / "none.toml")


def test_a_bad_variable_is_named() -> None:
    with pytest.raises(SettingsError, match="environment: top_k must be a whole number from 1, got 'x'"):
        Settings.load(environ={"SHORTLIST_TOP_K": "x"})


def test_a_weight_above_one_names_its_variable() -> None:
    with pytest.raises(SettingsError, match=r"environment: first_stage_weight must be a number from 0 to 1, got '1.5'"):
        Settings.load(environ={"SHORTLIST_FIRST_STAGE_WEIGHT": "1.5"})
    assert Settings.load(environ={"SHORTLIST_FIRST_STAGE_WEIGHT": "1"}).first_stage_weight == 1


def test_a_fallback_is_a_list_in_a_file_and_words_in_the_environment(tmp_path: Path) -> None:
    file = written(tmp_path, 'model = "cohere:rerank-v3.5"\nfallback = ["tei:http://localhost:8080", "shortlist-l6"]')
    assert Settings.load(file=file).fallback == ("tei:http://localhost:8080", "shortlist-l6")
    assert Settings.load(file=file, environ={"SHORTLIST_FALLBACK": "a  b"}).fallback == ("a", "b")
