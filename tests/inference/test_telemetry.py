"""Promise 7: nothing phones home, whatever the runtimes would like to."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shortlist.inference.load import available_engines, has_kernel
from shortlist.inference.models import find_model
from shortlist.inference.processor import processor_features, suits_kernel

RUNS = [(engine, "auto") for engine in available_engines()]
if has_kernel() and suits_kernel(processor_features()):
    RUNS += [("native", "auto")]
if has_kernel() and {"amx_bf16", "amx_int8"} <= processor_features():
    RUNS += [("native", "int8")]  # which measures its channels in a session of ONNX Runtime
MODEL = find_model("all-minilm-l6-v2").path / "model.onnx"

SWITCHED_OFF = """
import os, sys
import onnxruntime
calls = []
real = onnxruntime.disable_telemetry_events
onnxruntime.disable_telemetry_events = lambda: (calls.append("off"), real())
made = onnxruntime.InferenceSession
onnxruntime.InferenceSession = lambda *args, **options: (calls.append("session"), made(*args, **options))[1]
from shortlist.inference.onnxruntime import OnnxRuntimeSession
from pathlib import Path
OnnxRuntimeSession.load(Path(sys.argv[1]))
assert calls == ["off", "session"], calls
assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
"""

WITHOUT_SENDER = """
import sys
from pathlib import Path
from shortlist.inference.openvino import OpenVinoSession
OpenVinoSession.load(Path(sys.argv[1]))
assert not [name for name in sys.modules if name.startswith("openvino_telemetry")]
import openvino.tools.ovc
assert type(openvino.tools.ovc.telemetry).__module__.endswith("telemetry_stub")
import openvino_telemetry  # others may still have it
"""

RUN_AND_WAIT = """
import sys, time
import shortlist
reranker = shortlist.Reranker.load("shortlist-l6", engine=sys.argv[1], precision=sys.argv[2], threads=1)
reranker.rank("how tall is it", ["330 metres", "of iron"])
time.sleep(15)
"""

PLAIN = """
import sys, time
import onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
time.sleep(15)
"""


def test_onnxruntimes_telemetry_is_off_before_there_is_a_session() -> None:
    subprocess.run([sys.executable, "-c", SWITCHED_OFF, str(MODEL)], check=True, timeout=120)


@pytest.mark.skipif("openvino" not in available_engines(), reason="needs the extra 'openvino'")
def test_openvino_is_imported_without_what_would_send(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", WITHOUT_SENDER, str(MODEL)], check=True, timeout=120)


@contextmanager
def proxy() -> Iterator[tuple[dict[str, str], list[bytes]]]:
    """An environment whose HTTP traffic goes to a proxy that refuses all, and what was asked of it."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def refuse() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    asked.append(connection.recv(200))

        threading.Thread(target=refuse, daemon=True).start()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy")
        kept = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
        yield {**kept, **dict.fromkeys(names, address)}, asked


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "precision"), RUNS)
def test_a_process_that_ranks_asks_for_no_address(engine: str, precision: str, tmp_path: Path) -> None:
    with proxy() as (environ, asked):
        environ |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
        subprocess.run([sys.executable, "-c", RUN_AND_WAIT, engine, precision], check=True, timeout=300, env=environ)
    assert asked == []
    assert not (tmp_path / ".cache" / "Microsoft").exists()


@pytest.mark.slow
def test_the_proxy_would_see_it(tmp_path: Path) -> None:
    with proxy() as (environ, asked):
        environ["HOME"] = str(tmp_path)
        subprocess.run([sys.executable, "-c", PLAIN, str(MODEL)], check=True, timeout=300, env=environ)
    if not asked:
        pytest.skip("this build of ONNX Runtime reports nothing by itself")
    assert asked[0].startswith(b"CONNECT ")
