"""Every store that runs here, empty, for the hashing encoder."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from shortlist.retrieval import Index, Manifest
from shortlist.retrieval.edge import ANALYZER
from shortlist.retrieval.remote import Address, RemoteIndex, Retrying, Spread, open_remote
from shortlist.retrieval.remote.connect import connect
from shortlist.retrieval.remote.engine import Server
from shortlist.retrieval.remote.points import Layout
from shortlist.retrieval.remote.terms import Statistics
from shortlist.retrieval.store import Store
from shortlist.transport.policy import Policy

from .material import HashingEncoder

STORES = ("embedded", "qdrant-local", "qdrant-server", "milvus")
PATIENT = Policy(budget_ms=60_000, attempt_budget_ms=30_000, retries=2, first_pause_ms=20)


@contextmanager
def milvus_lite(folder: Path) -> Iterator[str]:
    """Run milvus-lite's gRPC server in a process of its own; yield its address."""
    pytest.importorskip("milvus_lite", reason="needs the extra milvus and milvus-lite")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    code = "import sys, milvus_lite.adapter.grpc.server as s; s.run_server(sys.argv[1], '127.0.0.1', int(sys.argv[2]))"
    command = [sys.executable, "-c", code, str(folder), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert "listening" in process.stdout.readline()
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


@contextmanager
def server_of(kind: str, folder: Path) -> Iterator[tuple[Server, Address]]:
    """Connect to an engine that runs here, or skip."""
    name = f"t{uuid.uuid4().hex[:12]}"
    with ExitStack() as opened:
        if kind == "milvus":
            address = Address("milvus", opened.enter_context(milvus_lite(folder / "milvus")), name)
        elif kind == "qdrant-server":
            url = os.environ.get("SHORTLIST_TEST_QDRANT_URL", "")
            if not url:
                pytest.skip("no Qdrant server: set SHORTLIST_TEST_QDRANT_URL to the address of one")
            address = Address("qdrant", url, name)
        else:
            pytest.importorskip("qdrant_client", reason="needs the extra qdrant")
            address = Address("qdrant", str(folder / "qdrant"), name)
        server = connect(address, environ={}, policy=PATIENT)
        opened.callback(server.close)
        yield server, address


def layout_of(encoder: HashingEncoder) -> Layout:
    return Layout(Manifest(encoder.fingerprint, encoder.dimension, ANALYZER, "a test"), 5.0)


@contextmanager
def store_of(kind: str, folder: Path, encoder: HashingEncoder) -> Iterator[Store]:
    """Make an empty store."""
    if kind == "embedded":
        with Index.create(folder / "index", encoder=encoder) as index:
            yield index
        return
    with server_of(kind, folder) as (server, address):
        server.create(address.name, layout_of(encoder), Statistics.of([]), Spread())
        try:
            yield RemoteIndex(server, address.name, encoder=encoder, retrying=Retrying(PATIENT))
        finally:
            server.drop(address.name)


__all__ = ["PATIENT", "STORES", "layout_of", "milvus_lite", "open_remote", "server_of", "store_of"]
