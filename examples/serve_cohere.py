"""Serve behind a Cohere client: start a server, and ask it with Cohere's own SDK as if it were Cohere.

pip install 'shortlist[server]' cohere
python examples/serve_cohere.py
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import cohere

DOCUMENTS = ["It is made of iron.", "It is 330 metres tall.", "It was finished in 1889."]


@contextmanager
def server() -> Iterator[str]:
    """Run `shortlist serve` on a free port, and yield its address once it answers."""
    command = [sys.executable, "-c", "from shortlist.cli import main; main()", "serve", "--port", "0"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    try:
        for line in running.stderr:
            if "http://" in line:
                yield "http://" + line.split("http://")[1].split()[0].strip('",')
                break
        else:
            raise SystemExit("the server did not start")
    finally:
        running.terminate()  # it answers what it has let in first
        running.communicate()


def main() -> None:
    """Ask once and print what comes back."""
    with server() as address:
        client = cohere.ClientV2(api_key="unused", base_url=address)
        reply = client.rerank(model="shortlist-l6", query="How tall is the tower?", documents=DOCUMENTS, top_n=2)
        for result in reply.results:
            print(f"{result.relevance_score:.3f}  {DOCUMENTS[result.index]}")


if __name__ == "__main__":
    main()
