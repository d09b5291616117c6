"""Batches, templates, model folders and what goes wrong with them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as RawTokenizer

from families.tiny import write_classifier
from shortlist.errors import (
    CorruptModelError,
    InputError,
    MissingExtraError,
    ModelError,
    ModelNotFoundError,
    UnsupportedModelError,
)
from shortlist.inference.batches import LEAST_TOKENS, pad, plan_batches
from shortlist.inference.engine import Engine
from shortlist.inference.forks import Streams
from shortlist.inference.load import available_engines, installed_engines, load_engine
from shortlist.inference.models import find_model
from shortlist.inference.tokens import ModelInput, Tokenizer
from shortlist.settings import DEFAULT_ENCODER
from shortlist.weights import PackagedModel, find_packaged, packaged_models

CROSS_ENCODER = "shortlist-minilm-l6"
LENGTHS = st.lists(st.integers(1, 600), max_size=200)


@given(LENGTHS, st.integers(1, 4096), st.integers(1, 9))
def test_every_sequence_is_in_one_batch_and_no_batch_is_over_the_budget(
    lengths: list[int], budget: int, streams: int
) -> None:
    batches = plan_batches(lengths, token_budget=budget, streams=streams)
    assert sorted(place for batch in batches for place in batch) == list(range(len(lengths)))
    for batch in batches:
        padded = max(lengths[place] for place in batch) * len(batch)
        assert padded <= budget or len(batch) == 1


@given(LENGTHS.filter(bool))
def test_batches_hold_neighbours_in_length(lengths: list[int]) -> None:
    order = [lengths[place] for batch in plan_batches(lengths, token_budget=1024) for place in batch]
    assert order == sorted(lengths, reverse=True)


@given(st.integers(1, 300), st.integers(1, 512), st.integers(2, 16))
def test_no_stream_has_more_than_its_share_of_equal_sequences(count: int, length: int, streams: int) -> None:
    batches = plan_batches([length] * count, token_budget=1024, streams=streams)
    turns = -(-len(plan_batches([length] * count, token_budget=1024)) // streams)
    assert len(batches) <= turns * streams
    fair, least = -(-count // (turns * streams)), -(-LEAST_TOKENS // length)
    assert len(batches[0]) == min(count, max(1, 1024 // length), max(fair, least))


def test_padding_is_masked() -> None:
    batch = pad([ModelInput(np.asarray([5, 6, 7], np.int32), 2), ModelInput(np.asarray([8], np.int32), 1)], pad_id=9)
    assert batch.input_ids.tolist() == [[5, 6, 7], [8, 9, 9]]
    assert batch.attention_mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch.token_type_ids.tolist() == [[0, 0, 1], [0, 0, 0]]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.load(find_model(CROSS_ENCODER).path / "tokenizer.json")


@pytest.fixture(scope="module")
def raw() -> RawTokenizer:
    raw = RawTokenizer.from_file(str(find_model(CROSS_ENCODER).path / "tokenizer.json"))
    raw.no_padding()
    raw.no_truncation()
    raw.encode_special_tokens = True
    return raw


@given(st.text(max_size=60), st.text(max_size=60))
def test_a_pair_is_built_as_the_tokenizer_itself_does(
    tokenizer: Tokenizer, raw: RawTokenizer, first: str, second: str
) -> None:
    expected = raw.encode(first, second)
    ids = tokenizer.encode([first, second])
    built = tokenizer.pair.build(ids[0], ids[1])
    assert built.ids.tolist() == expected.ids
    assert [int(i >= built.second_at) for i in range(len(built))] == expected.type_ids


def test_a_special_token_in_a_text_is_plain_text(tokenizer: Tokenizer) -> None:
    special = set(tokenizer.pair.before.tolist() + tokenizer.pair.after.tolist())
    assert not special & set(tokenizer.encode(["a [SEP] b [CLS]"])[0].tolist())


# bf16 has 8 bits: a masked softmax over another padded length rounds elsewhere (.0097 seen here; docs/speed.md)
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-3), ("auto", 0.05)])
def test_rows_come_back_in_order_and_hardly_depend_on_what_else_is_in_the_batch(
    precision: str, tolerance: float
) -> None:
    loaded = load_engine(CROSS_ENCODER, head="classification", precision=precision)
    rng = np.random.default_rng(0)
    inputs = [
        ModelInput(rng.integers(1000, 2000, length).astype(np.int32), length // 2)
        for length in rng.integers(3, 200, 40).tolist()
    ]
    together = loaded.engine.run(inputs)
    alone = np.concatenate([loaded.engine.run([one]) for one in inputs])
    assert np.abs(together - alone).max() < tolerance
    loaded.engine.close()


@given(LENGTHS.filter(bool), st.sampled_from([1, 8, 64]))
def test_a_length_step_rounds_batches_up_and_keeps_the_budget(lengths: list[int], step: int) -> None:
    inputs = [ModelInput(np.ones(n, np.int32), n) for n in lengths]
    for places in plan_batches(lengths, token_budget=1024, length_step=step):
        batch = pad([inputs[place] for place in places], pad_id=0, length_step=step)
        assert batch.input_ids.shape[1] % step == 0
        assert batch.input_ids.size <= 1024 or len(places) == 1
        assert batch.attention_mask.sum(axis=1).tolist() == [lengths[place] for place in places]


@pytest.mark.parametrize("engine", available_engines())
def test_with_a_batch_each_rows_are_equal_to_the_bit_whatever_comes_with_them(engine: str) -> None:
    loaded = load_engine(CROSS_ENCODER, head="classification", engine=engine)
    alone = Engine(loaded.engine.tokenizer, loaded.engine.session, token_budget=1)
    inputs = [ModelInput(np.arange(1000, 1000 + n, dtype=np.int32), 5) for n in range(6, 40)]
    together = alone.run(inputs)
    assert all(np.array_equal(alone.run([one])[0], row) for one, row in zip(inputs, together, strict=True))
    alone.close()
    loaded.engine.close()


@pytest.mark.parametrize("engine", available_engines())
def test_both_engines_agree_in_fp32(engine: str) -> None:
    one = load_engine(CROSS_ENCODER, head="classification", engine="onnxruntime", precision="fp32")
    other = load_engine(CROSS_ENCODER, head="classification", engine=engine, precision="fp32")
    inputs = [ModelInput(np.arange(1000, 1000 + n, dtype=np.int32), 5) for n in (6, 50, 300, 512)]
    assert np.abs(one.engine.run(inputs) - other.engine.run(inputs)).max() < 1e-3


def test_threads_share_an_engine() -> None:
    loaded = load_engine(CROSS_ENCODER, head="classification", precision="fp32")
    inputs = [ModelInput(np.arange(1000, 1000 + n, dtype=np.int32), 5) for n in range(6, 30)]
    expected = loaded.engine.run(inputs)
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _: loaded.engine.run(inputs), range(24)):
            assert np.abs(found - expected).max() < 1e-4


def test_threads_that_load_a_new_model_at_once_all_get_it(tmp_path: Path, own_cache: Path) -> None:
    pytest.importorskip("onnx")
    folder, together = write_classifier(tmp_path / "model"), Barrier(6)

    def load(_: int) -> float:
        together.wait()
        engine = load_engine(str(folder), head="classification", engine="onnxruntime").engine
        return float(engine.run([ModelInput(np.arange(8, 20, dtype=np.int32), 5)])[0, 0])

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(load, range(6)))) == 1


def test_an_export_keeps_its_weights_in_a_file_that_runtimes_map(tmp_path: Path, own_cache: Path) -> None:
    pytest.importorskip("onnx")
    load_engine(str(write_classifier(tmp_path / "model")), head="classification", engine="onnxruntime").engine.close()
    graph, data = (next(own_cache.rglob(name)) for name in ("model.onnx", "model.onnx.data"))
    assert graph.stat().st_size < data.stat().st_size


@pytest.mark.parametrize("engine", available_engines())
def test_a_model_is_exported_for_this_process_alone_where_the_cache_takes_nothing(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    loaded = load_engine(str(write_classifier(tmp_path / "model")), head="classification", engine=engine)
    ids = np.asarray([4, 8, 5, 9, 5], np.int32)
    assert loaded.engine.run([ModelInput(ids, 3)]).shape == (1, 1)
    loaded.engine.close()


def test_a_small_call_from_another_thread_is_not_behind_all_of_a_large_one() -> None:
    streams, done = Streams(1, "test"), list[str]()
    began, may_go = threading.Event(), threading.Event()

    def work(item: str) -> str:
        began.set()
        assert may_go.wait(60)
        done.append(item)
        return item

    with ThreadPoolExecutor(2) as callers:
        large = callers.submit(streams.map, work, ["a", "b", "c", "d"])
        assert began.wait(60)
        small = callers.submit(streams.map, work, ["small"])
        while streams._running[1]._work_queue.empty():  # until it has asked
            time.sleep(0.001)
        may_go.set()
        assert (large.result(60), small.result(60)) == (["a", "b", "c", "d"], ["small"])
    assert done.index("small") <= 1
    streams.close()


def test_after_an_error_no_item_of_the_call_begins() -> None:
    streams, done = Streams(1, "test"), list[int]()

    def work(item: int) -> int:
        done.append(item)
        return 1 // item

    with pytest.raises(ZeroDivisionError):
        streams.map(work, [1, 0, *range(1, 1000)])
    streams.close()
    assert done == [1, 0]
    with pytest.raises(RuntimeError, match="shutdown"):
        streams.map(work, [1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Python warns of forks with threads: that is the point
@pytest.mark.parametrize("engine", installed_engines())
def test_a_forked_process_scores_or_says_where_to_load_the_model(engine: str, tmp_path: Path) -> None:
    if engine == "native" and not pytest.importorskip("shortlist_native").precisions():
        pytest.skip("needs AMX or AVX2")
    name = str(write_classifier(tmp_path / "model")) if engine == "torch" else CROSS_ENCODER
    running = load_engine(name, head="classification", engine=engine).engine
    inputs = [ModelInput(np.arange(8, 20, dtype=np.int32), 5)]
    expected = running.run(inputs)
    child = os.fork()
    if not child:
        signal.alarm(60)  # it must not wait for threads that it lacks
        try:
            os._exit(0 if np.array_equal(running.run(inputs), expected) else 1)
        except ModelError as error:
            os._exit(2 if "load the model in each process" in str(error) else 1)
    found = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert found == (0 if engine in {"native", "onnxruntime"} else 2)
    running.close()


def test_an_unknown_model_lists_what_there_is() -> None:
    with pytest.raises(ModelNotFoundError, match=DEFAULT_ENCODER):
        find_model("no-such-model")


def test_a_hub_model_out_of_reach_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelNotFoundError, match=r"cannot fetch 'shortlist-tests/none' from the hub.*give the path"):
        find_model("shortlist-tests/none")


def test_unknown_engines_and_precisions_are_named() -> None:
    with pytest.raises(InputError, match="engine must be 'auto' or one of"):
        load_engine(CROSS_ENCODER, head="classification", engine="tensorrt")
    with pytest.raises(InputError, match="precision must be one of auto, fp32, bf16, fp16, int16, int8; got 'fp8'"):
        load_engine(CROSS_ENCODER, head="classification", precision="fp8")
    with pytest.raises(UnsupportedModelError, match="no bf16"):
        load_engine(CROSS_ENCODER, head="classification", engine="onnxruntime", precision="bf16")


def test_without_torch_both_ways_out_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"torch is not installed. .*pip install 'shortlist\[torch\]'"):
        load_engine(CROSS_ENCODER, head="classification", engine="torch")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen3", "architectures": ["Qwen3Model"]}))
    shutil.copy(find_model(CROSS_ENCODER).path / "tokenizer.json", tmp_path)
    with pytest.raises(UnsupportedModelError, match=r"ready-made ONNX file .*; or run it with torch: pip install"):
        load_engine(str(tmp_path), head="classification")


def test_the_packaged_models_have_complete_cards() -> None:
    assert {m.name for m in packaged_models()} == {CROSS_ENCODER, DEFAULT_ENCODER, "shortlist-l6", "english-pieces"}
    for model in packaged_models():
        model.verify()
        assert {"name", "kind", "licence", "source", "parameters", "max_length", "sha256"} <= set(model.card)


@pytest.mark.parametrize("file", ["model.onnx", "tokenizer.json"])
def test_a_damaged_packaged_model_is_not_loaded(tmp_path: Path, file: str) -> None:
    packaged = find_packaged(CROSS_ENCODER)
    assert packaged is not None
    copy = PackagedModel(packaged.name, Path(shutil.copytree(packaged.folder, tmp_path / "model")), packaged.card)
    content = bytearray((copy.folder / file).read_bytes())
    content[len(content) // 2] ^= 1
    (copy.folder / file).write_bytes(content)
    with pytest.raises(CorruptModelError, match=f"{file} is damaged.*install shortlist again"):
        copy.verify()
    (copy.folder / file).unlink()
    with pytest.raises(CorruptModelError, match=f"{file} is missing"):
        copy.verify()


def test_a_broken_model_folder_names_the_file(tmp_path: Path) -> None:
    packaged = find_packaged(CROSS_ENCODER)
    assert packaged is not None
    with pytest.raises(ModelNotFoundError, match=r"has no config.json"):
        find_model(str(tmp_path))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(CorruptModelError, match=r"config.json is no valid JSON"):
        find_model(str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", "hidden_size": 384}))
    with pytest.raises(ModelNotFoundError, match=r"no tokenizer.json"):
        load_engine(str(tmp_path), head="classification")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(CorruptModelError, match=r"cannot be read as a tokenizer"):
        load_engine(str(tmp_path), head="classification")
    shutil.copy(packaged.folder / "tokenizer.json", tmp_path)
    (tmp_path / "model.onnx").write_bytes((packaged.folder / "model.onnx").read_bytes()[:5000])
    for engine in available_engines():
        with pytest.raises(CorruptModelError, match=r"cannot read .*model.onnx"):
            load_engine(str(tmp_path), head="classification", engine=engine)


def test_an_adapter_is_refused_with_what_to_do_beside_the_weights_of_a_whole_model_too(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "BAAI/bge-reranker-base"}))
    for write in (lambda: None, lambda: write_classifier(tmp_path)):
        write()
        with pytest.raises(UnsupportedModelError, match=r"adapter of BAAI/bge-reranker-base.*merge_and_unload"):
            find_model(tmp_path)


def test_a_graph_under_another_name_is_named(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path / "model")
    (folder / "onnx").mkdir()
    (folder / "model.safetensors").rename(folder / "onnx" / "model_quantized.onnx")
    with pytest.raises(ModelNotFoundError, match=r"onnx/model_quantized.onnx, which is there, copy it to model.onnx"):
        load_engine(str(folder), head="classification")


def test_a_model_folder_elsewhere_gives_the_same_scores(tmp_path: Path) -> None:
    packaged = find_packaged(CROSS_ENCODER)
    assert packaged is not None
    folder = Path(shutil.copytree(packaged.folder, tmp_path / "mine"))
    inputs = [ModelInput(np.arange(1000, 1020, dtype=np.int32), 5)]
    mine = load_engine(str(folder), head="classification").engine.run(inputs)
    assert np.array_equal(mine, load_engine(CROSS_ENCODER, head="classification").engine.run(inputs))
