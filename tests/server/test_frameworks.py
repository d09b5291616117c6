"""What frameworks offer for rerank services elsewhere, pointed at the real server: only the address changes."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from server.running import Running, running, state_with
from shortlist.server.keys import Key, new_key

DOCUMENTS = ["nothing", "a tall iron tower", "iron tower"]
QUERY = "tall iron tower"
KEY, _LINE = new_key("frameworks")
# what importing the frameworks warns of is theirs, and so are the connections that they leave open
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(state_with(keys=(Key("frameworks", _LINE.rpartition(":")[2]),))) as started:
        yield started
    gc.collect()


def module(name: str) -> Any:
    return pytest.importorskip(name, exc_type=ImportError)


def check_langchain(compressor: Any) -> None:
    documents = module("langchain_core.documents")
    given = [documents.Document(text) for text in DOCUMENTS]
    found = compressor.compress_documents(given, QUERY)
    assert [one.page_content for one in found] == [DOCUMENTS[1], DOCUMENTS[2]]
    assert found[0].metadata["relevance_score"] > found[1].metadata["relevance_score"]


def test_langchain_cohere(server: Running) -> None:
    rerank = module("langchain_cohere").CohereRerank
    check_langchain(rerank(model="rerank-v3.5", cohere_api_key=KEY, base_url=server.url, top_n=2))


def test_langchain_voyage(server: Running) -> None:
    rerank = module("langchain_voyageai").VoyageAIRerank
    check_langchain(rerank(model="rerank-2.5", voyage_api_key=KEY, base_url=f"{server.url}/v1", top_k=2))


def test_langchain_jina(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    jina = module("langchain_community.document_compressors.jina_rerank")
    monkeypatch.setattr(jina, "JINA_API_URL", f"{server.url}/v1/rerank")  # it has no option for the address
    check_langchain(jina.JinaRerank(jina_api_key=KEY, model="jina-reranker-v2-base-multilingual", top_n=2))


def test_langchain_infinity(server: Running) -> None:
    client = module("infinity_client")
    rerank = module("langchain_community.document_compressors.infinity_rerank").InfinityRerank
    authorized = client.Client(base_url=f"{server.url}/infinity", headers={"Authorization": f"Bearer {KEY}"})
    check_langchain(rerank(model="overlap", client=authorized, top_n=2))


LLAMA_INDEX: dict[str, Callable[[Any, Running], Any]] = {
    "cohere_rerank": lambda found, server: found.CohereRerank(
        top_n=2, model="rerank-v3.5", api_key=KEY, base_url=server.url
    ),
    "jinaai_rerank": lambda found, server: found.JinaRerank(
        top_n=2, model="jina-reranker-v2-base-multilingual", api_key=KEY, base_url=f"{server.url}/v1"
    ),
    "tei_rerank": lambda found, server: found.TextEmbeddingInference(
        model_name="overlap", base_url=f"{server.url}/tei", auth_token=f"Bearer {KEY}", top_n=2
    ),
}


def check_llama_index(reranker: Any) -> None:
    schema = module("llama_index.core.schema")
    nodes = [schema.NodeWithScore(node=schema.TextNode(text=text), score=0.5) for text in DOCUMENTS]
    found = reranker.postprocess_nodes(nodes, query_bundle=schema.QueryBundle(QUERY))
    assert [one.node.text for one in found] == [DOCUMENTS[1], DOCUMENTS[2]]
    assert found[0].score > found[1].score


@pytest.mark.parametrize("name", LLAMA_INDEX)
def test_llama_index(server: Running, name: str) -> None:
    check_llama_index(LLAMA_INDEX[name](module(f"llama_index.postprocessor.{name}"), server))


def test_llama_index_voyage(server: Running) -> None:
    client = module("voyageai").Client(api_key=KEY, base_url=f"{server.url}/v1")
    reranker = module("llama_index.postprocessor.voyageai_rerank").VoyageAIRerank(
        model="rerank-2.5", api_key=KEY, top_n=2
    )
    reranker._client = client  # it has no option for the address
    check_llama_index(reranker)


HAYSTACK: dict[str, Callable[[Any, Any, Running], Any]] = {
    "cohere": lambda found, key, server: found.CohereRanker(api_key=key, api_base_url=server.url, top_k=2),
    "jina": lambda found, key, server: found.JinaRanker(api_key=key, base_url=f"{server.url}/v1/rerank", top_k=2),
}


@pytest.mark.parametrize("name", HAYSTACK)
def test_haystack(server: Running, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    haystack = module("haystack")
    utils = module("haystack.utils")
    monkeypatch.setenv("SHORTLIST_TEST_KEY", KEY)
    found = module(f"haystack_integrations.components.rankers.{name}")
    ranker = HAYSTACK[name](found, utils.Secret.from_env_var("SHORTLIST_TEST_KEY"), server)
    if hasattr(ranker, "warm_up"):
        ranker.warm_up()
    answer = ranker.run(query=QUERY, documents=[haystack.Document(content=text) for text in DOCUMENTS])
    assert [one.content for one in answer["documents"]] == [DOCUMENTS[1], DOCUMENTS[2]]


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("cohere/rerank-v3.5", "/v2/rerank"),
        ("jina_ai/jina-reranker-v2-base-multilingual", "/v1/rerank"),
        ("voyage/rerank-2.5", "/voyage/v1/rerank"),
        ("infinity/overlap", "/infinity"),
        ("hosted_vllm/overlap", "/vllm"),
        ("huggingface/overlap", "/tei"),
    ],
)
def test_litellm(server: Running, model: str, path: str) -> None:
    litellm = module("litellm")
    litellm.telemetry = False
    answer = litellm.rerank(
        model=model,
        query=QUERY,
        documents=DOCUMENTS,
        top_n=2,
        api_key=KEY,
        api_base=f"{server.url}{path}",
    )
    assert [result["index"] for result in answer.results[:2]] == [1, 2]


def test_infinitys_own_client(server: Running) -> None:
    client = module("infinity_client")
    rerank = importlib.import_module("infinity_client.api.default.rerank")
    models = importlib.import_module("infinity_client.models")
    found = client.AuthenticatedClient(base_url=f"{server.url}/infinity", token=KEY)
    body = models.RerankInput(query=QUERY, documents=DOCUMENTS, return_documents=True)
    answer = rerank.sync(client=found, body=body)
    assert [result.index for result in answer.results] == [1, 2, 0]
    assert answer.results[0].document == DOCUMENTS[1]
