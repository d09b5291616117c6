"""The hosts themselves run our adapters; each test skips where its host is not installed."""

from __future__ import annotations

import asyncio
import copy
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shortlist import Document, Pipeline, Place, index_paths, open_pipeline
from shortlist.errors import InputError, ModelNotFoundError
from shortlist.integrations.rows import about, areranked, reranked
from shortlist.scorers.lexical import Lexical
from shortlist.scorers.pointwise import Pointwise
from shortlist.settings import Settings
from shortlist.types import Query, Ranking, ScoreKind

pytestmark = [pytest.mark.filterwarnings("ignore")]  # of the hosts and what they import

RERANKER = Pointwise(Lexical())
TEXTS = ["cats hunt at night", "the tower is tall", "the tower is tall"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hosts")
    (folder / "tower.md").write_text("# Height\n\nThe tower is 330 metres tall.\n", encoding="utf-8")
    (folder / "cats.md").write_text("Cats hunt at night.\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def pipeline(folder: Path) -> Iterator[Pipeline]:
    index_paths([folder], folder / ".shortlist")
    with open_pipeline(folder / ".shortlist", first_stage="bm25", rerank=False) as opened:
        yield opened


def test_metadata_of_a_found_document_stay_as_they_are() -> None:
    metadata = {"title": "Eiffel", "place": "Paris", "n": 1}
    assert about(Document("It is 330 m tall.", metadata=metadata)) == metadata
    titled = Document("It is 330 m tall.", title="Towers", place=Place("a.md", 1, 2))
    assert about(titled) == {"title": "Towers", "place": "a.md:1-2"}


def test_a_name_in_place_of_a_reranker_is_refused_with_what_makes_one_of_it() -> None:
    name: Any = "lexical:words"
    with pytest.raises(InputError, match=r"got 'lexical:words'; shortlist.Reranker\(name\) makes one of a name"):
        reranked(name, "tower", TEXTS)
    with pytest.raises(InputError, match="a reranker is expected"):
        asyncio.run(areranked(name, "tower", TEXTS))


def test_langchain(pipeline: Pipeline) -> None:
    documents = pytest.importorskip("langchain_core.documents")
    from shortlist.integrations.langchain import ShortlistCompressor, ShortlistRetriever

    given = [documents.Document(text, id=str(n), metadata={"n": n}) for n, text in enumerate(TEXTS)]
    compressor = ShortlistCompressor(reranker=RERANKER, top_k=2)
    found = compressor.compress_documents(given, "tower")
    assert [(one.id, one.metadata["n"]) for one in found] == [("1", 1), ("2", 2)]
    assert "relevance_score" not in given[1].metadata
    assert asyncio.run(compressor.acompress_documents(given, "tower")) == found
    named = ShortlistCompressor(model="shortlist-minilm-l6", top_n=1)
    assert [one.id for one in named.compress_documents(given, "how tall is the tower?")] == ["1"]
    assert str(named.reranker._first) == "shortlist-minilm-l6"
    for wrong in ({"top": 1}, {"reranker": RERANKER, "model": "shortlist-l6"}):
        with pytest.raises(ValueError, match="Extra inputs are not permitted"):
            ShortlistCompressor(**wrong)
    with pytest.raises(ValueError, match="Extra inputs are not permitted"):
        ShortlistRetriever(pipeline=pipeline, k=1)
    retriever = ShortlistRetriever(pipeline=pipeline, top_k=1)
    assert "330" in retriever.invoke("tower")[0].page_content
    assert [len(retriever.invoke("tower cats", **given)) for given in ({}, {"top_k": 2})] == [1, 2]
    assert len(asyncio.run(retriever.ainvoke("tower cats", top_k=2))) == 2
    with pytest.raises(InputError, match="depth=1 "):
        retriever.invoke("tower cats", top_k=2, depth=1)
    with pytest.raises(TypeError, match="unexpected keyword argument 'k'"):
        retriever.invoke("tower", k=2)
    assert asyncio.run(retriever.ainvoke("tower"))[0].metadata["place"].startswith("tower.md:")


def test_llama_index(pipeline: Pipeline) -> None:
    schema = pytest.importorskip("llama_index.core.schema")
    from shortlist.integrations.llama_index import ShortlistRerank, ShortlistRetriever

    nodes = [
        schema.NodeWithScore(node=schema.TextNode(text=text, id_=str(n), metadata={"n": n}), score=0.5)
        for n, text in enumerate(TEXTS)
    ]
    rerank = ShortlistRerank(reranker=RERANKER, top_n=2)
    found = rerank.postprocess_nodes(nodes, query_str="tower")
    assert [(one.node.node_id, one.node.metadata) for one in found] == [("1", {"n": 1}), ("2", {"n": 2})]
    assert found[0].node is nodes[1].node
    again = asyncio.run(rerank.apostprocess_nodes(nodes, query_str="tower"))
    assert [one.node.node_id for one in again] == ["1", "2"]
    with pytest.raises(InputError, match="needs the query"):
        rerank.postprocess_nodes(nodes)
    with pytest.raises(ValueError, match="Extra inputs are not permitted"):
        ShortlistRerank(top_k=1)
    with pytest.raises(ValueError, match="a model or a reranker, not both"):
        ShortlistRerank(reranker=RERANKER, model="lexical:words")
    retriever = ShortlistRetriever(pipeline, top_k=1)
    assert retriever.retrieve("tower")[0].node.metadata["place"].startswith("tower.md:")
    assert len(asyncio.run(retriever.aretrieve("tower"))) == 1


class Untitled:
    def retrieve(self, query: Query, *, depth: int) -> Ranking:
        return Ranking.in_order(query, [Document("Cats hunt at night.", "cats")])


def test_nodes_of_llama_index_are_read_with_the_metadata_that_they_let_models_read(pipeline: Pipeline) -> None:
    schema = pytest.importorskip("llama_index.core.schema")
    from shortlist.integrations.llama_index import ShortlistRerank, ShortlistRetriever

    given: list[dict[str, Any]] = [
        {"metadata": {"title": "Cats"}},
        {"metadata": {"title": "The tower"}, "excluded_embed_metadata_keys": ["title"]},
        {"metadata": {"title": "The tower"}},
    ]
    nodes = [
        schema.NodeWithScore(node=schema.TextNode(text="It is 330 m tall.", id_=str(place), **one))
        for place, one in enumerate(given)
    ]
    found = ShortlistRerank(reranker=RERANKER).postprocess_nodes(nodes, query_str="tower")
    assert [one.node.node_id for one in found] == ["2", "0", "1"]
    node = ShortlistRetriever(pipeline, top_k=1).retrieve("tower")[0].node
    assert {"title", "place"} <= set(node.metadata)
    assert node.get_content(metadata_mode=schema.MetadataMode.EMBED) == f"title: Height\n\n{node.text}"
    untitled = ShortlistRetriever(Pipeline(Untitled(), None), top_k=1).retrieve("cats")[0].node
    assert untitled.get_content(metadata_mode=schema.MetadataMode.EMBED) == untitled.text


def test_a_stored_postprocessor_of_llama_index_has_its_model_and_options_again() -> None:
    pytest.importorskip("llama_index.core.schema")
    from shortlist.integrations.llama_index import ShortlistRerank

    for given in ({"model": "shortlist-minilm-l6[precision=fp32]", "top_n": 2}, {"top_n": 2}):
        rerank = ShortlistRerank(**given)
        for again in (ShortlistRerank.from_dict(rerank.to_dict()), ShortlistRerank.from_json(rerank.to_json())):
            assert again.to_dict() == rerank.to_dict()
            assert again.to_dict()["class_name"] == "ShortlistRerank"
            with pytest.raises(ValueError, match="frozen"):
                again.model = "lexical:words"
            assert (again.top_n, again.reranker._first) == (2, rerank.reranker._first)
    unnamed = ShortlistRerank(reranker=RERANKER).to_dict()
    assert ShortlistRerank.from_dict({**unnamed}, reranker=RERANKER).reranker is RERANKER
    with pytest.raises(ValueError, match="stored without its name"):
        ShortlistRerank.from_dict(unnamed)


def test_haystack(pipeline: Pipeline) -> None:
    haystack = pytest.importorskip("haystack")
    from shortlist.integrations.haystack import ShortlistRanker, ShortlistRetriever

    given = [haystack.Document(content=text, id=str(n), meta={"n": n}) for n, text in enumerate(TEXTS)]
    host = haystack.Pipeline()
    host.add_component("retriever", ShortlistRetriever(pipeline, top_k=2))
    host.add_component("ranker", ShortlistRanker(top_k=1))
    host.connect("retriever.documents", "ranker.documents")
    found = host.run({"retriever": {"query": "tower"}, "ranker": {"query": "tower"}})["ranker"]["documents"]
    assert found[0].meta["place"].startswith("tower.md:")
    ranker = reloaded(haystack, ShortlistRanker(top_k=2))
    found = asyncio.run(ranker.run_async("tower", given))["documents"]
    assert sorted((one.id, one.meta["n"]) for one in found) == [
        ("1", 1),
        ("2", 2),
    ]  # equal texts may differ by rounding
    assert given[1].score is None
    with pytest.raises(InputError, match="top_k"):
        ranker.run("tower", given, top_k=0)


def test_a_ranker_of_haystack_takes_a_reranker_and_reads_the_fields_of_meta_that_it_is_told() -> None:
    haystack = pytest.importorskip("haystack")
    from shortlist.integrations.haystack import ShortlistRanker

    meta: list[dict[str, Any]] = [{"title": "Cats", "year": 330}, {"title": "The tower", "year": None}, {}]
    given = [haystack.Document(content="It is tall.", id=str(n), meta=one) for n, one in enumerate(meta)]
    ranker = ShortlistRanker(reranker=RERANKER, meta_fields_to_embed=["title", "year"])
    for query, first in (("tower", "1"), ("330", "0")):
        assert ranker.run(query, given)["documents"][0].id == first
        assert asyncio.run(ranker.run_async(query, given))["documents"][0].id == first
    assert [one.id for one in ShortlistRanker(reranker=RERANKER).run("tower", given)["documents"]] == ["0", "1", "2"]
    stored = reloaded(haystack, ShortlistRanker("lexical:words", meta_fields_to_embed=["title"]))
    assert stored.run("tower", given)["documents"][0].id == "1"
    with pytest.raises(InputError, match="a reranker cannot be stored"):
        reloaded(haystack, ranker)
    host = haystack.Pipeline()
    host.add_component("ranker", ShortlistRanker("nowhere"))
    with pytest.raises(ModelNotFoundError, match="no model 'nowhere'"):
        host.warm_up()


def reloaded(haystack: Any, component: Any) -> Any:
    """Write a pipeline with a component as YAML, and read it again."""
    written = haystack.Pipeline()
    written.add_component("it", component)
    allow = getattr(haystack.core.serialization, "allow_deserialization_module", lambda _: None)  # newer releases
    allow(type(component).__module__)
    return haystack.Pipeline.loads(written.dumps()).get_component("it")


def test_dspy(pipeline: Pipeline) -> None:
    pytest.importorskip("dspy")
    from shortlist.integrations.dspy import ShortlistRetrieve

    retrieve = ShortlistRetrieve(pipeline, k=1)
    found = retrieve("tower")
    assert "330" in found.passages[0]
    assert found.places[0].startswith("tower.md:")
    assert asyncio.run(retrieve.acall("tower")).passages == found.passages
    assert len(retrieve("tower cats", k=2).passages) == 2
    with pytest.raises(InputError, match="top_k"):
        retrieve("tower", k=0)


def test_a_program_of_dspy_that_retrieves_is_copied_and_saved(
    pipeline: Pipeline, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dspy = pytest.importorskip("dspy")
    from shortlist.integrations.dspy import ShortlistRetrieve

    module: Any = dspy.Module

    class Program(module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.retrieve, self.answer = ShortlistRetrieve(pipeline, k=1), dspy.Predict("context, question -> answer")

    class Loud(ShortlistRetrieve):
        def forward(self, query: str, k: int | None = None) -> Any:
            return super().forward(query.upper(), k)

    assert type(copy.deepcopy(Loud(pipeline))) is Loud
    program = Program()
    copied = program.reset_copy()
    assert asyncio.run(copied.retrieve.acall("tower")).passages == program.retrieve("tower").passages
    assert copied.retrieve is not program.retrieve
    copied.retrieve.k = 2
    assert (len(copied.retrieve("tower cats").passages), len(program.retrieve("tower cats").passages)) == (2, 1)
    program.save(tmp_path / "program.json")
    copied.load(tmp_path / "program.json")
    assert caplog.text == ""


def test_qdrant() -> None:
    client_module = pytest.importorskip("qdrant_client")
    from qdrant_client import models

    from shortlist.integrations.qdrant import arerank_points, rerank_points

    client = client_module.QdrantClient(":memory:")
    client.create_collection("t", vectors_config=models.VectorParams(size=2, distance=models.Distance.DOT))
    points = [models.PointStruct(id=n, vector=[1, n], payload={"text": text, "n": n}) for n, text in enumerate(TEXTS)]
    client.upsert("t", points)
    given = client.query_points("t", query=[1.0, -1.0], with_payload=True).points
    assert given[0].id == 0
    found = rerank_points(RERANKER, "tower", given, top_k=2)
    assert [(one.id, one.payload["n"]) for one in found] == [(1, 1), (2, 2)]
    assert asyncio.run(arerank_points(RERANKER, "tower", given, top_k=2)) == found
    with pytest.raises(InputError, match="has no text at 'body'"):
        rerank_points(RERANKER, "tower", given, text="body")


def test_lancedb(tmp_path: Path) -> None:
    lancedb = pytest.importorskip("lancedb")
    from shortlist.integrations.lancedb import ShortlistReranker

    rows = [{"text": text, "n": n, "vector": [1.0, float(n)]} for n, text in enumerate(TEXTS)]
    table = lancedb.connect(tmp_path).create_table("t", rows)
    found = table.search([1.0, 0.0]).rerank(ShortlistReranker(RERANKER), query_string="tower").limit(3).to_list()
    assert [one["n"] for one in found] == [1, 2, 0]
    table.create_fts_index("text")
    found = table.search("tower", query_type="fts").rerank(ShortlistReranker(RERANKER)).to_list()
    assert {one["n"] for one in found} == {1, 2}
    assert [one["n"] for one in asyncio.run(lancedb_async(tmp_path))] == [1, 2]


async def lancedb_async(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of a vector query of the client that awaits."""
    import lancedb

    from shortlist.integrations.lancedb import ShortlistReranker

    table = await (await lancedb.connect_async(folder)).open_table("t")
    query = table.query().nearest_to([1.0, 0.0]).rerank(ShortlistReranker(RERANKER), query_string="tower")
    found: list[dict[str, Any]] = await query.limit(3).to_list()
    return found[:2]


class OnlyFirst:
    """Comes to the first of the candidates, or to none."""

    def __init__(self, count: int) -> None:
        self.count = count

    def rerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        return candidates.partly_reordered([3.0] * self.count, kind=ScoreKind.LOGIT, stage="first", top_k=top_k)


@pytest.mark.parametrize("count", [0, 1])
def test_what_a_reranker_did_not_come_to_has_no_score_in_any_host(count: int, tmp_path: Path) -> None:
    expected = [3.0, None, None] if count else [None, None, None]
    reranker = OnlyFirst(count)
    assert [score for _, score in reranked(reranker, "tower", TEXTS)] == expected
    assert [score for _, score in asyncio.run(areranked(reranker, "tower", TEXTS))] == expected
    if documents := imported("langchain_core.documents"):
        from shortlist.integrations.langchain import ShortlistCompressor

        found = ShortlistCompressor(reranker=reranker).compress_documents(list(map(documents.Document, TEXTS)), "tower")
        assert [one.metadata["relevance_score"] for one in found] == expected
    if schema := imported("llama_index.core.schema"):
        from shortlist.integrations.llama_index import ShortlistRerank

        nodes = [schema.NodeWithScore(node=schema.TextNode(text=text), score=0.5) for text in TEXTS]
        again = ShortlistRerank(reranker=reranker).postprocess_nodes(nodes, query_str="tower")
        assert [one.score for one in again] == expected
    if lancedb := imported("lancedb"):
        from shortlist.integrations.lancedb import ShortlistReranker

        rows = [{"text": text, "vector": [1.0, float(n)]} for n, text in enumerate(TEXTS)]
        query = lancedb.connect(tmp_path).create_table("t", rows).search([1.0, 0.0])
        told = query.rerank(ShortlistReranker(reranker), query_string="tower").to_list()
        assert [one["_relevance_score"] for one in told] == expected


def imported(name: str) -> Any:
    """Return a module, or None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def check_tools(told: dict[str, Any]) -> None:
    assert told["tools"] == ["ask", "rerank", "search"]
    assert told["search"]["results"][0]["place"].startswith("tower.md:")
    assert [one["doc_id"] for one in told["rerank"]["results"]] == ["1"]
    assert '<passage id="1"' in told["ask"]["context"]


async def used(target: Any) -> dict[str, Any]:
    """Call every tool with the SDK's own client."""
    from mcp import Client

    async with Client(target) as client:
        tools = sorted(tool.name for tool in (await client.list_tools()).tools)
        calls = {
            "search": {"query": "how tall is the tower?", "top_k": 1},
            "rerank": {"query": "how tall is the tower?", "documents": TEXTS[:2], "top_k": 1},
            "ask": {"question": "How tall is the tower?"},
        }
        told = {name: (await client.call_tool(name, arguments)).structured_content for name, arguments in calls.items()}
    return {"tools": tools, **told}


def test_mcp_over_stdio(folder: Path, pipeline: Pipeline) -> None:
    mcp = pytest.importorskip("mcp")
    code = f"from shortlist.cli import main; main(['mcp', {str(folder / '.shortlist')!r}, '--engine', 'onnxruntime'])"
    check_tools(asyncio.run(used(mcp.StdioServerParameters(command=sys.executable, args=["-c", code]))))


@pytest.mark.parametrize(
    ("tool", "arguments", "reason"),
    [
        ("search", {"query": " "}, "the query is empty"),
        ("rerank", {"query": "tower", "documents": TEXTS, "top_k": 0}, "top_k must be a whole number from 1"),
        ("ask", {"question": "How tall is the tower?", "context_tokens": 2}, "not one word of a passage fits into 2"),
    ],
)
def test_an_agent_reads_why_a_tool_of_mcp_refused_its_call(
    pipeline: Pipeline, caplog: pytest.LogCaptureFixture, tool: str, arguments: dict[str, Any], reason: str
) -> None:
    pytest.importorskip("mcp")
    from mcp import Client

    from shortlist.integrations.mcp import mcp_server

    async def refused() -> Any:
        async with Client(mcp_server(pipeline, reranker=RERANKER)) as client:
            return await client.call_tool(tool, arguments)

    answer = asyncio.run(refused())
    assert answer.is_error
    assert reason in answer.content[0].text
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_mcp_takes_what_a_call_does_not_say_from_the_settings(pipeline: Pipeline) -> None:
    pytest.importorskip("mcp")
    from shortlist.integrations.mcp import mcp_server

    tools = asyncio.run(mcp_server(pipeline, settings=Settings(top_k=2, depth=7)).list_tools())
    asked = {tool.name: tool.model_dump(by_alias=True)["inputSchema"]["properties"] for tool in tools}
    assert (asked["search"]["top_k"]["default"], asked["search"]["depth"]["default"]) == (2, 7)


def test_mcp_over_streamable_http(folder: Path, pipeline: Pipeline) -> None:
    pytest.importorskip("mcp")
    import socket

    import uvicorn

    from shortlist.integrations.mcp import mcp_server

    async def served() -> dict[str, Any]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        app = mcp_server(pipeline).streamable_http_app()
        server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
        running = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0)
        told = await used(f"http://127.0.0.1:{port}/mcp")
        server.should_exit = True
        await running
        return told

    check_tools(asyncio.run(served()))
