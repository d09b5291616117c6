"""The vendors' own clients against the real server."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from server.running import Running, running, state_with
from shortlist.server.keys import Key, new_key

DOCUMENTS = ["nothing", "a tall iron tower", "iron tower"]
QUERY = "tall iron tower"
# what importing the vendors' packages warns of is theirs, and so are the connections that they leave open
pytestmark = pytest.mark.filterwarnings("ignore")
KEY, _LINE = new_key("sdk")


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(state_with(keys=(Key("sdk", _LINE.rpartition(":")[2]),))) as started:
        yield started
    gc.collect()


@pytest.mark.parametrize("prefix", ["", "/cohere"])
def test_cohere_v2(server: Running, prefix: str) -> None:
    cohere = pytest.importorskip("cohere")
    client = cohere.ClientV2(api_key=KEY, base_url=server.url + prefix)
    answer = client.rerank(model="rerank-v3.5", query=QUERY, documents=DOCUMENTS, top_n=2)
    assert [result.index for result in answer.results] == [1, 2]
    with pytest.raises(cohere.UnauthorizedError):
        cohere.ClientV2(api_key="other", base_url=server.url).rerank(model="m", query="q", documents=["d"])


@pytest.mark.parametrize("prefix", ["", "/cohere"])
def test_cohere_v1(server: Running, prefix: str) -> None:
    cohere = pytest.importorskip("cohere")
    client = cohere.Client(api_key=KEY, base_url=server.url + prefix)
    answer = client.rerank(query=QUERY, documents=DOCUMENTS, return_documents=True)
    assert [result.document.text for result in answer.results] == [DOCUMENTS[1], DOCUMENTS[2], DOCUMENTS[0]]


@pytest.mark.parametrize("prefix", ["", "/voyage"])
def test_voyage(server: Running, prefix: str) -> None:
    voyageai = pytest.importorskip("voyageai")
    client = voyageai.Client(api_key=KEY, base_url=f"{server.url}{prefix}/v1")
    answer = client.rerank(QUERY, DOCUMENTS, model="rerank-2.5", top_k=2)
    assert [result.index for result in answer.results] == [1, 2]
    with pytest.raises(voyageai.error.AuthenticationError):
        voyageai.Client(api_key="other", base_url=f"{server.url}/v1").rerank("q", ["d"], model="m")
