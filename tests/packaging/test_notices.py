"""Everything that is shipped and not ours is named with its licence, and the licence's text is there."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from shortlist.weights import packaged_models

ROOT = Path(__file__).parents[2]
NOTICES = (ROOT / "THIRD_PARTY_NOTICES.md").read_text(encoding="utf-8")
LICENCES = {file.stem for file in (ROOT / "LICENSES").glob("*.txt")}


def test_every_packaged_model_and_every_source_of_its_training_data_is_named() -> None:
    models = packaged_models()
    assert models
    for model in models:
        if model.card.get("sha256"):
            assert f"`{model.name}`" in NOTICES
        sources = model.card.get("training_data", {})
        named = sources if isinstance(sources, dict) else {}
        assert [source for source in named if f"`{source}`" not in NOTICES] == []


def test_the_text_of_every_licence_that_is_named_is_there() -> None:
    cells = [line.rsplit("|", 2)[1] for line in NOTICES.splitlines() if line.startswith("| ")]
    named = set(re.findall(r"(?:Apache|CC-BY|BSD|PSF|MIT)[\w.-]*", " ".join(cells).replace(".txt", "")))
    assert {"Apache-2.0", "CC-BY-SA-4.0", "BSD-3-Clause"} <= named
    assert [one for one in sorted(named) if one not in LICENCES] == []


@pytest.mark.skipif(sys.version_info < (3, 11), reason="needs tomllib")
def test_notices_and_licences_are_in_the_wheel() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {"LICENSE", "NOTICE", "THIRD_PARTY_NOTICES.md", "LICENSES/*.txt"} == set(project["license-files"])


def test_texts_of_others_in_the_package_say_whose_they_are() -> None:
    pairs = json.loads((ROOT / "src" / "shortlist" / "inference" / "pairs.json").read_text(encoding="utf-8"))
    assert pairs
    assert "src/shortlist/inference/pairs.json" in NOTICES
    assert "PSF-Python-3.11" in LICENCES


def test_there_is_a_way_to_report_a_vulnerability() -> None:
    policy = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert "security/advisories/new" in policy
