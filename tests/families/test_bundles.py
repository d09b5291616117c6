"""Models go to a machine without a network whole, or not at all."""

from __future__ import annotations

import io
import json
import os
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shortlist.build.bundles import pack, pull, unpack
from shortlist.build.models import load_model
from shortlist.errors import CorruptModelError, InputError, ModelNotFoundError, ShortlistError, UnsupportedModelError
from shortlist.inference.complete import check_complete
from shortlist.inference.export import export_onnx
from shortlist.inference.hub import stored_folder
from shortlist.inference.models import find_model
from shortlist.settings import DEFAULT_ENCODER
from shortlist.types import Document, Query, ScoreKind

from .tiny import make_tensors, write_classifier, write_colbert, write_json, write_modules, write_tensors

QUERY, DOCUMENTS = Query("how tall ?"), [Document("330 metres tall", "0"), Document("cats sleep", "1")]


@pytest.fixture(autouse=True)
def nothing_outside(own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHORTLIST_MODELS", str(tmp_path / "models"))


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle of two models, one of them of modules."""
    write_modules(tmp_path / "here" / "modular")
    write_classifier(tmp_path / "here" / "plain")
    write_json(tmp_path / "here" / "plain" / "shortlist.json", {"name": "BAAI/bge-reranker-base"})
    (tmp_path / "here" / "plain" / "code.py").write_text("raise SystemExit")
    pack([str(tmp_path / "here" / "modular"), str(tmp_path / "here" / "plain")], tmp_path / "bundle.tar")
    return tmp_path / "bundle.tar"


def test_what_was_packed_is_found_by_its_name_and_scores_the_same(bundle: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    folders = unpack(bundle)
    assert folders["BAAI/bge-reranker-base"] == stored_folder("BAAI/bge-reranker-base")
    there = load_model("bge-reranker-base", precision="fp32").score(QUERY, DOCUMENTS)
    here = load_model(str(tmp_path / "here" / "plain"), precision="fp32").score(QUERY, DOCUMENTS)
    np.testing.assert_array_equal(there.values, here.values)
    again = load_model(str(folders["modular"]), precision="fp32").score(QUERY, DOCUMENTS)
    np.testing.assert_allclose(again.values, here.values, atol=1e-5)


def test_code_is_not_packed_and_equal_models_make_equal_bundles(bundle: Path, tmp_path: Path) -> None:
    with tarfile.open(bundle) as tar:
        names = tar.getnames()
    assert names[0] == "manifest.json"
    assert not [name for name in names if name.endswith(".py")]
    pack([str(tmp_path / "here" / "modular"), str(tmp_path / "here" / "plain")], tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == bundle.read_bytes()


def test_nothing_is_overwritten(bundle: Path, tmp_path: Path) -> None:
    unpack(bundle, folder=tmp_path / "there")
    with pytest.raises(InputError, match="is there already"):
        unpack(bundle, folder=tmp_path / "there")


def trained(folder: Path) -> Path:
    """What `shortlist train` leaves: a cross-encoder with exits, beside a cosine through a query map."""
    write_classifier(folder)
    write_tensors(folder / "exit_heads.safetensors", {"exit.1.classifier.weight": np.ones((1, 32), np.float32)})
    np.save(folder / "query_map.npy", np.eye(384, dtype=np.float32))
    cosine = {"kind": "bi-encoder", "model": DEFAULT_ENCODER, "weight": 2.0, "query_map": "query_map.npy"}
    own = {"kind": "cross-encoder", "model": ".", "weight": 1.0}
    write_json(folder / "card.json", {"name": folder.name, "kind": "blend", "parts": [own, cosine]})
    return folder


def test_a_trained_blend_is_packed_with_all_that_is_its_own_and_found_by_its_name(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    folder = trained(tmp_path / "here" / "tuned")
    for file in ("model.xml", "model.bin"):
        (folder / "int8").mkdir(exist_ok=True)
        (folder / "int8" / file).write_text("calibrated")
    pack([str(folder)], tmp_path / "bundle.tar")
    there = unpack(tmp_path / "bundle.tar")["tuned"]
    missing = {file.relative_to(folder) for file in folder.rglob("*")} - {
        f.relative_to(there) for f in there.rglob("*")
    }
    assert not missing
    scores = [load_model(name, precision="fp32").score(QUERY, DOCUMENTS) for name in (str(folder), "tuned")]
    assert scores[0].kind is ScoreKind.WEIGHTED_SUM
    np.testing.assert_array_equal(scores[0].values, scores[1].values)


def test_a_query_map_alone_is_packed_with_its_card(tmp_path: Path) -> None:
    folder = trained(tmp_path / "here" / "mapped")
    for file in ("config.json", "model.safetensors", "tokenizer.json"):
        (folder / file).unlink()
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    write_json(folder / "card.json", card | {"parts": card["parts"][1:]})
    pack([str(folder)], tmp_path / "bundle.tar")
    unpack(tmp_path / "bundle.tar")
    np.testing.assert_array_equal(
        load_model("mapped").score(QUERY, DOCUMENTS).values, load_model(str(folder)).score(QUERY, DOCUMENTS).values
    )


def test_a_folder_below_the_home_is_read_as_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx")
    monkeypatch.setenv("HOME", str(tmp_path))
    trained(tmp_path / "tuned")
    assert load_model("~/tuned").score(QUERY, DOCUMENTS).kind is ScoreKind.WEIGHTED_SUM


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.97])
def test_a_bundle_that_was_cut_off_leaves_nothing(share: float, bundle: Path, tmp_path: Path) -> None:
    content = bundle.read_bytes()
    bundle.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(CorruptModelError):
        unpack(bundle, folder=tmp_path / "there")
    assert leftovers(tmp_path / "there") == []


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(place=st.floats(0, 0.999), noise=st.binary(min_size=1, max_size=40))
def test_no_damage_goes_unnoticed(
    place: float, noise: bytes, bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    work = tmp_path_factory.mktemp("damage")
    content = bytearray(bundle.read_bytes())
    start = int(len(content) * place)
    content[start : start + len(noise)] = noise
    (work / "bundle.tar").write_bytes(content)
    try:
        folders = unpack(work / "bundle.tar", folder=work / "there")
    except ShortlistError:
        assert leftovers(work / "there") == []
    else:  # the noise fell on padding, or was what stood there before
        with tarfile.open(bundle) as tar:
            for member in tar.getmembers()[1:]:
                model, _, file = member.name.partition("/")
                found = next(path for path in folders.values() if path.name == model) / file
                stream = tar.extractfile(member)
                assert stream is not None
                assert found.read_bytes() == stream.read()


def evil(path: Path, members: list[tuple[tarfile.TarInfo, bytes]], files: dict[str, Any], name: str = "m") -> Path:
    """A bundle by hand: a manifest that lists `files`, and any members."""
    manifest = json.dumps({"format": 1, "models": [{"name": name, "files": files}]}).encode()
    with tarfile.open(path, "w") as tar:
        for info, content in [(tarfile.TarInfo("manifest.json"), manifest), *members]:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def link(name: str, kind: bytes, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


SUM = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"  # of b"foo"


@pytest.mark.parametrize(
    ("members", "files", "name"),
    [
        ([(tarfile.TarInfo("../out.json"), b"foo")], {}, "m"),
        ([(tarfile.TarInfo("/tmp/out.json"), b"foo")], {}, "m"),
        ([(tarfile.TarInfo("m/../../out.json"), b"foo")], {"../../out.json": [3, SUM]}, "m"),
        ([(tarfile.TarInfo("m//out.json"), b"foo")], {"/out.json": [3, SUM]}, "m"),
        ([(tarfile.TarInfo("m/a\\..\\b"), b"foo")], {"a\\..\\b": [3, SUM]}, "m"),
        ([(tarfile.TarInfo("m/c:x"), b"foo")], {"c:x": [3, SUM]}, "m"),
        ([(tarfile.TarInfo("../m/a.json"), b"foo")], {"a.json": [3, SUM]}, "../m"),
        ([(tarfile.TarInfo("..--m/a.json"), b"foo")], {"a.json": [3, SUM]}, "../m"),
        ([(tarfile.TarInfo("a--b--c/a.json"), b"foo")], {"a.json": [3, SUM]}, "a/b/c"),
        ([(link("m/a.json", tarfile.SYMTYPE, "/etc/passwd"), b"")], {"a.json": [0, SUM]}, "m"),
        ([(link("m/a.json", tarfile.LNKTYPE, "manifest.json"), b"")], {"a.json": [0, SUM]}, "m"),
        ([(link("m/a.json", tarfile.FIFOTYPE, ""), b"")], {"a.json": [0, SUM]}, "m"),
        ([(tarfile.TarInfo("m/a.json"), b"fob")], {"a.json": [3, SUM]}, "m"),
        ([(tarfile.TarInfo("m/a.json"), b"foo")] * 2, {"a.json": [3, SUM]}, "m"),
        ([(tarfile.TarInfo("m/a.json"), b"foo"), (tarfile.TarInfo("m/b"), b"foo")], {"a.json": [3, SUM]}, "m"),
        ([], {"a.json": [3, SUM]}, "m"),
    ],
)
def test_what_does_not_belong_in_a_bundle_is_refused(
    members: Any, files: dict[str, Any], name: str, tmp_path: Path
) -> None:
    path = evil(tmp_path / "evil.tar", members, files, name)
    with pytest.raises(CorruptModelError):
        unpack(path, folder=tmp_path / "deep" / "there")
    assert leftovers(tmp_path / "deep" / "there") == []
    assert sorted(p.name for p in tmp_path.iterdir()) in (["evil.tar"], ["deep", "evil.tar"])


def test_what_is_no_bundle_says_so(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(b"\x1f\x8b not a tar" * 100)
    with pytest.raises(CorruptModelError, match="damaged or no bundle"):
        unpack(tmp_path / "x.tar")
    with pytest.raises(InputError, match="there is no bundle"):
        unpack(tmp_path / "gone.tar")
    with tarfile.open(tmp_path / "other.tar", "w") as tar:
        tar.add(tmp_path / "x.tar", "x")
    with pytest.raises(CorruptModelError, match="does not begin with manifest"):
        unpack(tmp_path / "other.tar")


def test_packaged_models_and_doubles_are_not_packed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="part of every install"):
        pack(["shortlist-l6"], tmp_path / "b.tar")
    folder = str(write_colbert(tmp_path / "m"))
    with pytest.raises(InputError, match="named twice"):
        pack([folder, folder], tmp_path / "b.tar")
    assert not (tmp_path / "b.tar").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:-5]), "truncated"),
        (lambda f: (f / "model.safetensors").write_bytes(b""), "is empty"),
        (
            lambda f: (f / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0"),
            "git-lfs pointer",
        ),
        (lambda f: (f / "onnx.incomplete").write_bytes(b"half"), "half-written"),
        (lambda f: (f / "link.json").symlink_to(f / "gone"), "points to a file that is gone"),
    ],
    ids=["truncated", "empty", "pointer", "half", "dangling"],
)
def test_a_model_that_is_not_whole_is_not_loaded(damage: Any, message: str, tmp_path: Path) -> None:
    folder = write_classifier(tmp_path / "m")
    check_complete(folder)
    damage(folder)
    for load in (find_model, load_model):
        with pytest.raises(CorruptModelError, match=message):
            load(str(folder))


def test_a_missing_part_of_the_weights_is_named(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path / "m")
    (folder / "model.safetensors").rename(folder / "model-1-of-2.safetensors")
    weights = {"weight_map": {"a": "model-1-of-2.safetensors", "b": "model-2-of-2.safetensors"}}
    write_json(folder / "model.safetensors.index.json", weights)
    with pytest.raises(CorruptModelError, match=r"model-2-of-2\.safetensors is missing, one of 2 parts"):
        find_model(str(folder))


COMMIT = "2cfc18c9415c912f9d8155881c133215df768a70"  # to which the catalogue pins it


class Hub(BaseHTTPRequestHandler):
    """As much of the hub's API as fetching a repository takes."""

    folder: Path
    asked: list[str]

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = self.path.partition("?")[0]
        self.asked.append(path)
        if path.startswith("/api/models/BAAI/bge-reranker-base"):
            names = sorted(p.relative_to(self.folder).as_posix() for p in self.folder.rglob("*") if p.is_file())
            entries = [{"rfilename": name} for name in names]
            tree = [
                {"type": "file", "path": name, "size": (self.folder / name).stat().st_size, "oid": "0" * 40}
                for name in names
            ]
            info = {"id": "BAAI/bge-reranker-base", "sha": COMMIT, "siblings": entries, "private": False}
            content = json.dumps(tree if "/tree/" in path else info).encode()
            self._send(content, {"Content-Type": "application/json"}, body=body)
            return
        file = self.folder / path.partition("/resolve/")[2].partition("/")[2]
        if "/resolve/" in path and file.is_file():
            content = file.read_bytes()
            self._send(content, {"ETag": f'"{len(content)}-{file.name}"', "X-Repo-Commit": COMMIT}, body=body)
            return
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, content: bytes, headers: dict[str, str], *, body: bool) -> None:
        self.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    """A hub that has one repository."""
    pytest.importorskip("huggingface_hub")
    constants = pytest.importorskip("huggingface_hub.constants")
    folder = write_classifier(tmp_path / "repository")
    (folder / "README.md").write_text("not needed")
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    write_tensors(folder / "onnx" / "model_q4f16.onnx", make_tensors())
    handler = type("OneRepository", (Hub,), {"folder": folder, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", address)  # HF_ENDPOINT is read when the library is imported
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    yield handler
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.filterwarnings("ignore")  # of huggingface_hub
def test_a_pulled_model_is_all_there_and_keeps_its_name(hub: type[Hub], tmp_path: Path) -> None:
    folder = pull("bge-reranker-base", folder=tmp_path / "pulled")
    there = sorted(
        p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and ".cache" not in p.parts
    )
    assert there == ["config.json", "model.safetensors", "shortlist.json", "tokenizer.json"]
    assert json.loads((folder / "shortlist.json").read_text()) == {"name": "BAAI/bge-reranker-base"}
    before = len(hub.asked)
    pytest.importorskip("onnx")
    assert load_model(str(folder)).score(QUERY, DOCUMENTS).values.shape == (2,)
    assert len(hub.asked) == before


@pytest.mark.filterwarnings("ignore")
def test_a_name_of_the_catalogue_is_fetched_when_it_is_first_used(hub: type[Hub], tmp_path: Path) -> None:
    model = find_model("bge-reranker-base")
    assert model.name == "BAAI/bge-reranker-base"
    assert model.path.is_relative_to(tmp_path / "hub-cache")
    assert (model.path / "model.safetensors").is_file()
    assert not (model.path / "pytorch_model.bin").exists()
    bundled = pack(["bge-reranker-base"], tmp_path / "b.tar")
    assert [(one.name, sorted(one.files)) for one in bundled] == [
        ("BAAI/bge-reranker-base", ["config.json", "model.safetensors", "tokenizer.json"])
    ]
    with pytest.raises(ModelNotFoundError, match=r"cannot fetch 'someone/absent' from the hub.*shortlist pack"):
        find_model("someone/absent")


@pytest.mark.filterwarnings("ignore")
def test_a_model_with_code_of_its_own_is_run_by_its_graph_from_the_first_time_on(
    hub: type[Hub], tmp_path: Path
) -> None:
    pytest.importorskip("onnx")
    name, repository = "BAAI/bge-reranker-base-of-others", tmp_path / "repository"
    expected = load_model(str(repository), precision="fp32").score(QUERY, DOCUMENTS).values
    export_onnx(repository, repository / "onnx", head="classification", weights="float32")
    write_classifier(repository, auto_map={"AutoModelForSequenceClassification": "own.OwnModel"})
    np.testing.assert_allclose(load_model(name, precision="fp32").score(QUERY, DOCUMENTS).values, expected, atol=1e-5)
    (repository / "onnx" / "model.onnx").unlink()
    with pytest.raises(UnsupportedModelError, match="needs Python code of its own"):
        load_model(f"{name}-too")
    assert not any(path.endswith(".safetensors") for path in hub.asked if f"{name}-too" in path)


@pytest.mark.filterwarnings("ignore")
def test_code_that_stands_in_another_repository_is_fetched_when_it_may_run(hub: type[Hub], tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "repository" / "own.py").write_text(
        "from transformers import BertConfig, BertForSequenceClassification\n"
        "class OwnConfig(BertConfig):\n    model_type = 'own'\n"
        "class Own(BertForSequenceClassification):\n    config_class = OwnConfig\n"
    )
    expected = load_model(str(write_classifier(tmp_path / "plain")), engine="torch", precision="fp32")
    where = "BAAI/bge-reranker-base-code--own"
    code = {"AutoConfig": f"{where}.OwnConfig", "AutoModelForSequenceClassification": f"{where}.Own"}
    folder = write_classifier(
        tmp_path / "model", architectures=["OwnForSequenceClassification"], model_type="own", auto_map=code
    )
    with pytest.raises(UnsupportedModelError, match="needs Python code of its own"):
        load_model(str(folder))
    assert hub.asked == []
    scorer = load_model(str(folder), trust_remote_code=True, precision="fp32")
    np.testing.assert_allclose(scorer.score(QUERY, DOCUMENTS).values, expected.score(QUERY, DOCUMENTS).values)


@pytest.mark.usefixtures("hub_out_of_reach")
def test_a_hub_out_of_reach_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    with pytest.raises(ModelNotFoundError, match=r"HF_ENDPOINT names a mirror.*shortlist unpack here"):
        pull("ms-marco-MiniLM-L6-v2", folder=tmp_path / "m")
    assert not (tmp_path / "m" / "shortlist.json").exists()


def test_pull_refuses_what_is_here_and_what_is_no_name(tmp_path: Path) -> None:
    for name in ("shortlist-l6", str(tmp_path)):
        with pytest.raises(InputError, match="on this machine already"):
            pull(name)
    with pytest.raises(ModelNotFoundError, match="nearest: bge-reranker-base"):
        pull("bge-reranker-bsae", folder=tmp_path / "m")
    with pytest.raises(UnsupportedModelError, match="cannot be run"):
        pull("jina-colbert-v2", folder=tmp_path / "m")
    assert os.listdir(tmp_path) == []
