"""The vendors' own clients read what our codecs write, and our codecs read what they send."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from shortlist.testing import RerankServer
from shortlist.wire import DIALECTS

DOCUMENTS = ["nothing", "a tall iron tower", "iron tower"]
# what importing the vendors' packages warns of is theirs, and so are the connections that they leave open
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def connections_end_here() -> Iterator[None]:
    """Collect the vendors' clients within the test, where their warnings are ignored."""
    yield
    gc.collect()


def test_cohere_v2() -> None:
    cohere = pytest.importorskip("cohere")
    with RerankServer(DIALECTS["cohere-v2"], key="k") as server:
        client = cohere.ClientV2(api_key="k", base_url=server.url)
        answer = client.rerank(model="rerank-v3.5", query="tall iron tower", documents=DOCUMENTS, top_n=2)
        assert [(result.index, result.relevance_score) for result in answer.results] == [(1, 1.0), (2, 2 / 3)]
        assert answer.meta.billed_units.search_units == 1
        assert server.requests[0]["top_n"] == 2
        with pytest.raises(cohere.UnprocessableEntityError, match="unknown field"):
            client.rerank(
                model="m", query="q", documents=["d"], request_options={"additional_body_parameters": {"top_k": 1}}
            )
        with pytest.raises(cohere.UnauthorizedError, match="bad key"):
            cohere.ClientV2(api_key="other", base_url=server.url).rerank(model="m", query="q", documents=["d"])


def test_cohere_v1() -> None:
    cohere = pytest.importorskip("cohere")
    with RerankServer(DIALECTS["cohere-v1"]) as server:
        client = cohere.Client(api_key="k", base_url=server.url)
        documents = [{"text": "iron", "title": "T"}, "a tall iron tower"]
        answer = client.rerank(query="tall iron tower", documents=documents, return_documents=True)
        assert [result.index for result in answer.results] == [1, 0]
        assert [result.document.text for result in answer.results] == ["a tall iron tower", "iron"]


def test_voyage() -> None:
    voyageai = pytest.importorskip("voyageai")
    with RerankServer(DIALECTS["voyage"], key="k") as server:
        client = voyageai.Client(api_key="k", base_url=f"{server.url}/v1")
        answer = client.rerank("tall iron tower", DOCUMENTS, model="rerank-2.5", top_k=2)
        assert [(result.index, result.relevance_score) for result in answer.results] == [(1, 1.0), (2, 2 / 3)]
        assert [result.document for result in answer.results] == ["a tall iron tower", "iron tower"]
        assert answer.total_tokens == 7
        with pytest.raises(voyageai.error.AuthenticationError, match="bad key"):
            voyageai.Client(api_key="other", base_url=f"{server.url}/v1").rerank("q", ["d"], model="m")


def test_mixedbread() -> None:
    mixedbread = pytest.importorskip("mixedbread")
    with RerankServer(DIALECTS["mixedbread"], key="k") as server:
        client = mixedbread.Mixedbread(api_key="k", base_url=server.url, max_retries=0)
        answer = client.rerank(model="m", query="tall iron tower", input=DOCUMENTS, top_k=2, return_input=True)
        assert [(result.index, result.score) for result in answer.data] == [(1, 1.0), (2, 2 / 3)]
        assert [result.input for result in answer.data] == ["a tall iron tower", "iron tower"]
        assert (answer.usage.total_tokens, answer.top_k, answer.return_input) == (7, 2, True)
        with pytest.raises(mixedbread.AuthenticationError, match="bad key"):
            client.with_options(api_key="other").rerank(model="m", query="q", input=["d"])


def test_pinecone() -> None:
    pinecone = pytest.importorskip("pinecone")
    with RerankServer(DIALECTS["pinecone"]) as server:
        client = pinecone.Pinecone(api_key="k", host=server.url)
        answer = client.inference.rerank("m", "tall iron tower", DOCUMENTS, top_n=2, parameters={"truncate": "END"})
        assert [(result.index, result.score) for result in answer.data] == [(1, 1.0), (2, 2 / 3)]
        assert [result.document for result in answer.data] == [{"text": "a tall iron tower"}, {"text": "iron tower"}]
        assert (answer.model, answer.usage.rerank_units) == ("m", 1)
        names = {name.lower(): value for name, value in server.headers[0].items()}
        assert names["api-key"] == "k"
        assert "x-pinecone-api-version" in names  # each release of the client sends its own
        server.refuses = lambda text: True
        with pytest.raises(pinecone.PineconeException, match="a document is too long"):
            client.inference.rerank("m", "q", ["d"])


def test_isaacus() -> None:
    isaacus = pytest.importorskip("isaacus")
    with RerankServer(DIALECTS["isaacus"], key="k") as server:
        client = isaacus.Isaacus(api_key="k", base_url=f"{server.url}/v1", max_retries=0)
        answer = client.rerankings.create(model="kanon-2-reranker", query="tall iron tower", texts=DOCUMENTS, top_n=2)
        assert [(result.index, result.score) for result in answer.results] == [(1, 1.0), (2, 2 / 3)]
        assert answer.usage.input_tokens == 7
        with pytest.raises(isaacus.AuthenticationError, match="bad key"):
            client.with_options(api_key="other").rerankings.create(model="kanon-2-reranker", query="q", texts=["d"])
