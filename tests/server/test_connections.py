"""Connections: none is held by a client that is slow on purpose, and none is cut off that did nothing wrong."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from server.fakes import Overlap
from server.running import running, state_with, waited_for
from shortlist.server.settings import ServeSettings

OWN = "/shortlist/v1/rerank"
HEALTH = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as one:
        yield one


def is_cut_while_dripping(one: socket.socket, drop: bytes) -> bool:
    """Send a few bytes every 20 ms, for 10 s at most; whether the server ends the connection meanwhile."""
    pause = threading.Event()
    one.settimeout(0.02)
    for _ in range(500):
        try:
            one.sendall(drop)
            if one.recv(10_000) == b"":
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
        pause.wait(0.02)
    return False


def is_cut_while_flooding(one: socket.socket, piece: bytes) -> bool:
    """Send a piece a thousand times; whether the server ends the connection meanwhile."""
    try:
        for _ in range(1000):
            one.sendall(piece)
    except OSError:
        return True
    return False


@pytest.mark.parametrize(
    ("begin", "drop"),
    [
        (b"", b"G"),
        (b"", b"\r\n"),
        (HEALTH, b"\r\n"),
        (HEALTH, b"X"),
        (b"POST /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n", b"{"),
        (b"POST /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
    ids=["head", "empty lines", "empty lines later", "second head", "refused body", "refused chunks"],
)
def test_whoever_drips_is_cut_off(begin: bytes, drop: bytes) -> None:
    with running(state_with(settings=ServeSettings(header_timeout_s=0.2))) as server, connected(server.port) as slow:
        slow.sendall(begin)
        assert is_cut_while_dripping(slow, drop)
        assert server.ask("/health").status == 200


@pytest.mark.parametrize("piece", [b"a" * 50_000, b"a: b\r\n" * 8_000], ids=["one header", "many headers"])
@pytest.mark.parametrize("begin", [b"", HEALTH], ids=["first", "second"])
def test_a_head_without_an_end_is_refused_before_it_is_large(begin: bytes, piece: bytes) -> None:
    with running(state_with()) as server, connected(server.port) as endless:
        endless.sendall(begin + b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: y\r\nX-Endless: ")
        assert is_cut_while_flooding(endless, piece)
        assert server.ask("/health").status == 200


def test_a_head_of_many_kilobytes_and_requests_in_one_piece_are_answered() -> None:
    large = HEALTH.replace(b"\r\n\r\n", b"\r\nCookie: " + b"c" * 60_000 + b"\r\n\r\n")
    with running(state_with()) as server, connected(server.port) as one:
        one.sendall(large * 2 + HEALTH * 2000)
        found = b""
        while found.count(b"HTTP/1.1 200") < 2002:
            found += one.recv(1 << 20)


def test_whoever_does_not_read_is_cut_off() -> None:
    settings = ServeSettings(write_timeout_s=0.2, max_body_bytes=30_000_000, max_characters=30_000_000)
    documents = ["iron " * 60_000] * 60
    body = json.dumps({"query": "iron", "documents": documents, "return_documents": True}).encode()
    with running(state_with(settings=settings)) as server, connected(server.port) as deaf:
        head = f"POST {OWN} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
        deaf.sendall(head.encode() + body)
        waited_for(lambda: server.connections == 1)
        waited_for(lambda: server.connections == 0)
        assert server.ask("/health").status == 200


def test_a_body_that_is_too_large_is_refused_in_a_way_that_its_client_can_read() -> None:
    with running(state_with(settings=ServeSettings(max_body_bytes=10_000))) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        for _ in range(3):  # http.client sends the whole body before it reads
            connection.request("POST", OWN, b"x" * 20_000_000)
            answer = connection.getresponse()
            assert answer.status == 413
            assert b"more than 10,000 bytes" in answer.read()
        connection.request("POST", OWN, json.dumps({"query": "iron", "documents": ["iron"]}))
        assert connection.getresponse().status == 200, "the connection goes on"
        connection.close()


def test_a_request_that_is_sent_as_the_server_ends_is_answered() -> None:
    with running(state_with()) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.request("GET", "/health")
        connection.getresponse().read()
        server.end()
        connection.request("POST", OWN, json.dumps({"query": "iron", "documents": ["iron"]}))
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.headers["connection"] == "close"
        connection.close()


def test_a_request_that_outlasts_the_time_to_end_is_told_to_ask_again() -> None:
    scorer = Overlap()
    scorer.gate.clear()
    state = state_with({"overlap": scorer}, settings=ServeSettings(drain_s=1))
    with running(state) as server, ThreadPoolExecutor(1) as one:
        asked = one.submit(server.ask, "/voyage/v1/rerank", {"model": "", "query": "iron", "documents": ["iron"]})
        waited_for(lambda: state.pool.loaded("overlap").load.pairs == 1)  # type: ignore[union-attr]
        server.server.should_exit = True
        answer = asked.result()
        scorer.gate.set()
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert "ask again" in answer.json["detail"]
    assert b'shortlist_requests_total{dialect="voyage",status="503"} 1.0' in state.metrics.text()


OFFER = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAA\r\n"


@pytest.mark.parametrize("sent", ["one piece", "head first", "two offers"])
def test_a_request_that_offers_http_2_is_answered_in_http_1(sent: str) -> None:
    body = json.dumps({"query": "iron", "documents": ["iron"]}).encode()
    head = f"POST {OWN} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n{OFFER}\r\n".encode()
    with running(state_with()) as server, connected(server.port) as java:
        second = (head + body).replace(b"Connection: Upgrade", b"Connection: close, Upgrade") + b"\r\n"
        pieces = {"one piece": [head + body + HEALTH], "head first": [head, body + HEALTH]}
        for piece in pieces.get(sent, [head + body + second]):
            java.sendall(piece)
            threading.Event().wait(0.05)
        found = b""
        while found.count(b"HTTP/1.1 200 OK") < 2:
            piece = java.recv(10_000)
            assert piece, found
            found += piece
        assert b'"index":0' in found


def test_all_requests_of_a_client_that_left_are_dropped() -> None:
    scorer = Overlap()
    scorer.gate.clear()
    state = state_with({"overlap": scorer})
    body = json.dumps({"query": "iron", "documents": ["iron"]}).encode()
    post = f"POST {OWN} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    with running(state) as server:
        with connected(server.port) as one:
            one.sendall(HEALTH + post * 3)
            waited_for(lambda: state.pool.loaded("overlap").load.pairs == 1)  # type: ignore[union-attr]
            one.shutdown(socket.SHUT_WR)
        waited_for(lambda: server.connections == 0)
        waited_for(lambda: b'status="499"' in state.metrics.text())
        scorer.gate.set()
        assert server.ask("/health").status == 200
    assert b"shortlist_faults_total{" not in state.metrics.text()
    assert len(scorer.calls) <= 1
