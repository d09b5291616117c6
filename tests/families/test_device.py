"""The device is chosen in settings and on the command line, is a fact of every step, and is never quietly another."""

from __future__ import annotations

from pathlib import Path

import pytest

from shortlist.build.reranker import Reranker
from shortlist.errors import ShortlistError
from shortlist.settings import Settings

from .tiny import write_classifier, write_colbert

DOCUMENTS = ["it is 330 metres tall .", "cats sleep most of the day"]
pytestmark = pytest.mark.usefixtures("own_cache")


def device_of(model: str, *, device: str, engine: str = "auto") -> str:
    ranking = Reranker.of(Settings(model=model, device=device, engine=engine)).rank(
        "how tall is the tower ?", DOCUMENTS
    )
    return ranking.trace.steps[-1].facts["device"]


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_every_local_kind_reports_where_it_ran(device: str, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    for folder in (write_classifier(tmp_path / "classifier"), write_colbert(tmp_path / "colbert")):
        assert device_of(str(folder), device=device) == "cpu"
    assert device_of(Settings().model, device=device) == "cpu"


def test_torch_reports_where_it_ran(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs the extra 'torch'")
    assert device_of(str(write_classifier(tmp_path)), engine="torch", device="cpu") == "cpu"


def test_a_device_that_is_not_there_is_an_error_for_every_local_kind(tmp_path: Path) -> None:
    for folder in (write_classifier(tmp_path / "classifier"), write_colbert(tmp_path / "colbert")):
        for device in ("cuda:77", "gpu"):
            with pytest.raises(
                ShortlistError,
                match=r"cuda:77|device must be|neither bi-encoders|engine='torch'|torch is not installed",
            ):
                device_of(str(folder), device=device)


def test_the_environment_names_it() -> None:
    assert Settings.load(environ={"SHORTLIST_DEVICE": "cuda:1"}).device == "cuda:1"
