"""Servers that answer as they are told: one in memory, and one on the loopback interface."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = Mapping[str, Any]


class InMemory:
    """An endpoint without a network, which remembers the requests."""

    fingerprint = "in memory"

    def __init__(self, answer: Json) -> None:
        self._answer = answer
        self.requests: list[Json] = []

    def chat(self, request: Json) -> Json:
        self.requests.append(request)
        return self._answer

    complete = chat

    def stream(self, request: Json, receive: Callable[[Json], bool]) -> None:
        """Hand over the answer in one chunk a word, and one with the usage."""
        self.requests.append(request)
        choice = self._answer["choices"][0]
        for word in (choice["message"]["content"] or "").split(" "):
            if receive({"choices": [{"delta": {"content": word + " "}, "finish_reason": None}]}):
                return
        receive({"choices": [{"delta": {}, "finish_reason": choice["finish_reason"]}]})
        receive({"choices": [], "usage": self._answer["usage"]})

    def tokenize(self, text: str) -> list[int]:
        """Return an id a word: its length."""
        return [len(word) for word in text.split()]


def chat_answer(text: str | None, *, logprobs: Any = None, finish: str = "stop", usage: Any = None) -> dict[str, Any]:
    """Return a chat completion as OpenAI describes it."""
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish,
                "message": {"role": "assistant", "content": text},
                "logprobs": logprobs,
            }
        ],
        "usage": usage or {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }


Reply = tuple[int, Mapping[str, str], bytes]


class Loopback:
    """An HTTP server whose replies come from a function of the number of the request, from 0."""

    def __init__(self, reply: Callable[[int], Reply], *, pause_s: float = 0.0) -> None:
        self._reply, self._pause_s = reply, pause_s
        self._lock = threading.Lock()
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self._inside = self.most_inside = 0

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        with self._lock:
            number = len(self.bodies)
            self.bodies.append(body)
            self.keys.append(handler.headers.get("Authorization"))
            self._inside += 1
            self.most_inside = max(self.most_inside, self._inside)
        time.sleep(self._pause_s)
        status, headers, content = self._reply(number)
        with self._lock:
            self._inside -= 1
        handler.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)


@contextmanager
def listening(loopback: Loopback) -> Iterator[str]:
    """Serve on the loopback interface, and give the base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            loopback.handle(self)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ok(text: str) -> Reply:
    return 200, {}, json.dumps(chat_answer(text)).encode()
