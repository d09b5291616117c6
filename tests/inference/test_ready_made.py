"""A graph that lies beside a model is used where it computes what is asked, and nowhere else."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from families.tiny import write_classifier, write_colbert, write_modules
from shortlist.build.models import load_model
from shortlist.errors import UnsupportedModelError
from shortlist.inference.biencoder import BiEncoder
from shortlist.inference.load import available_engines
from shortlist.protocols import Role
from shortlist.types import Document, Query

pytest.importorskip("onnx")
from shortlist.inference.export import export_onnx

QUERY = Query("how tall is the tower ?")
DOCUMENTS = [Document(text, str(i)) for i, text in enumerate(["it is 330 metres tall", "cats sleep", "iron"])]
engines = pytest.mark.parametrize("engine", available_engines())
pytestmark = pytest.mark.usefixtures("own_cache")


def put_graph(folder: Path, made_from: Path, head: str) -> None:
    """Lay a graph where the hub's repositories have theirs."""
    made = export_onnx(made_from, made_from.parent / f"graph-{head}", head=head, weights="float32")  # type: ignore[arg-type]
    (folder / "onnx").mkdir()
    shutil.copy(made.path, folder / "onnx" / "model.onnx")


def encoder_alone(folder: Path) -> Path:
    """A graph of other hidden states under the name that the hub's feature extraction graphs give them."""
    onnx = pytest.importorskip("onnx")
    made = export_onnx(write_colbert(folder), folder / "graph", head="token_embeddings", weights="float32").path
    graph = onnx.load(str(made))
    for weight in graph.graph.initializer:
        values = onnx.numpy_helper.to_array(weight)
        if values.ndim == 2 and values.dtype == np.float32:
            weight.CopyFrom(onnx.numpy_helper.from_array(values[::-1].copy(), weight.name))
    graph.graph.output[0].name = graph.graph.node[-1].output[0] = "last_hidden_state"
    onnx.save(graph, str(made))
    return made


@engines
def test_the_encoders_graph_beside_a_late_interaction_model_is_left_alone(engine: str, tmp_path: Path) -> None:
    plain = load_model(str(write_colbert(tmp_path / "plain")), engine=engine, precision="fp32")
    folder = write_colbert(tmp_path / "with-graph")
    (folder / "onnx").mkdir()
    shutil.copy(encoder_alone(tmp_path / "encoder"), folder / "onnx" / "model.onnx")
    scorer = load_model(str(folder), engine=engine, precision="fp32")
    np.testing.assert_array_equal(scorer.score(QUERY, DOCUMENTS).values, plain.score(QUERY, DOCUMENTS).values)


@engines
def test_a_pooled_graph_beside_a_classifier_is_left_alone(engine: str, tmp_path: Path) -> None:
    plain = load_model(str(write_modules(tmp_path / "plain")), engine=engine, precision="fp32")
    folder = write_modules(tmp_path / "with-graph")
    encoder = write_classifier(tmp_path / "encoder", architectures=["BertModel"])
    put_graph(folder, encoder, "mean_pooling")
    scorer = load_model(str(folder), engine=engine, precision="fp32")
    np.testing.assert_array_equal(scorer.score(QUERY, DOCUMENTS).values, plain.score(QUERY, DOCUMENTS).values)


@engines
def test_hidden_states_are_not_taken_for_a_bi_encoders_vectors(engine: str, tmp_path: Path) -> None:
    folder = write_classifier(tmp_path / "model", architectures=["BertModel"])
    plain = BiEncoder.load(str(folder), engine=engine, precision="fp32")
    expected = plain.encode(["how tall", "cats"], role=Role.DOCUMENT)
    (folder / "onnx").mkdir()
    shutil.copy(encoder_alone(tmp_path / "encoder"), folder / "onnx" / "model.onnx")
    found = BiEncoder.load(str(folder), engine=engine, precision="fp32")
    np.testing.assert_array_equal(found.encode(["how tall", "cats"], role=Role.DOCUMENT), expected)


@engines
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_weights_beside_a_graph_are_found_where_the_hubs_cache_links_to_them(
    engine: str, precision: str, tmp_path: Path
) -> None:
    model = write_classifier(tmp_path / "model")
    export_onnx(model, model / "onnx", head="classification", weights="float32", largest_single_file=0)
    (model / "model.safetensors").unlink()
    cached = tmp_path / "cache/snapshots/0a1b"
    (cached / "onnx").mkdir(parents=True)
    (tmp_path / "cache/blobs").mkdir()
    for number, file in enumerate(file for file in model.rglob("*") if file.is_file()):
        blob = shutil.copy(file, tmp_path / f"cache/blobs/{number}")
        (cached / file.relative_to(model)).symlink_to(blob)
    one, other = (load_model(str(at), engine=engine, precision=precision) for at in (model, cached))
    np.testing.assert_array_equal(other.score(QUERY, DOCUMENTS).values, one.score(QUERY, DOCUMENTS).values)


@engines
def test_a_graph_that_counts_tokens_in_32_bits_is_fed_so(engine: str, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    folder = write_classifier(tmp_path / "model")
    expected = load_model(str(folder), engine=engine, precision="fp32").score(QUERY, DOCUMENTS).values
    put_graph(folder, folder, "classification")
    graph = onnx.load(str(folder / "onnx/model.onnx"))
    for port in graph.graph.input:  # as tf2onnx writes them
        wide = f"{port.name}_wide"
        for node in graph.graph.node:
            node.input[:] = [wide if name == port.name else name for name in node.input]
        port.type.tensor_type.elem_type = onnx.TensorProto.INT32
        graph.graph.node.insert(0, onnx.helper.make_node("Cast", [port.name], [wide], to=onnx.TensorProto.INT64))
    onnx.save(graph, str(folder / "onnx/model.onnx"))
    (folder / "model.safetensors").unlink()
    found = load_model(str(folder), engine=engine, precision="fp32").score(QUERY, DOCUMENTS).values
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_without_weights_the_wrong_graph_is_an_error_that_says_what_it_gives(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path / "model")
    put_graph(folder, write_classifier(tmp_path / "encoder", architectures=["BertModel"]), "mean_pooling")
    (folder / "model.safetensors").unlink()
    with pytest.raises(UnsupportedModelError, match=r"output is embeddings \['any', 32\]; and .* has no model.safeten"):
        load_model(str(folder), engine="onnxruntime")


def test_an_openvino_file_is_not_handed_to_onnxruntime(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path / "model")
    (folder / "openvino_model.xml").write_text("<net/>")
    assert load_model(str(folder), engine="onnxruntime").score(QUERY, DOCUMENTS).kind.value == "logit"
    (folder / "model.safetensors").unlink()
    with pytest.raises(UnsupportedModelError, match="only OpenVINO reads it"):
        load_model(str(folder), engine="onnxruntime")
