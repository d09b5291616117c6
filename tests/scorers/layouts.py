"""What the authors of the prompted rerankers feed them, written after their own code: ids of one pair."""

from __future__ import annotations

from collections.abc import Callable

from tokenizers import Tokenizer

Layout = Callable[[Tokenizer, str, str, int], list[int]]


def ids_of(tokenizer: Tokenizer, text: str) -> list[int]:
    found: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return found


def qwen3_layout(tokenizer: Tokenizer, query: str, document: str, max_length: int) -> list[int]:
    """The model card's transformers example: the body is tokenised whole and cut, the rest is never cut."""
    prefix = ids_of(
        tokenizer,
        "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct"
        ' provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n',
    )
    suffix = ids_of(tokenizer, "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n")
    instruct = "Given a web search query, retrieve relevant passages that answer the query"
    body = ids_of(tokenizer, f"<Instruct>: {instruct}\n<Query>: {query}\n<Document>: {document}")
    return prefix + body[: max_length - len(prefix) - len(suffix)] + suffix


def bge_layout(tokenizer: Tokenizer, query: str, document: str, max_length: int) -> list[int]:
    """FlagEmbedding: bos, "A: ", a line break, "B: " (cut), a line break, the prompt."""
    bos = tokenizer.token_to_id("<bos>") or tokenizer.token_to_id("<s>") or 0  # Gemma's or MiniCPM's
    sep = ids_of(tokenizer, "\n")
    prompt = ids_of(
        tokenizer,
        "Given a query A and a passage B, determine whether the passage contains an answer to the query by providing"
        " a prediction of either 'Yes' or 'No'.",
    )
    first = [bos, *ids_of(tokenizer, f"A: {query}")]
    room = max_length - len(first) - 2 * len(sep) - len(prompt)
    return first + sep + ids_of(tokenizer, f"B: {document}")[:room] + sep + prompt


def mxbai_layout(tokenizer: Tokenizer, query: str, document: str, max_length: int) -> list[int]:
    prefix = ids_of(
        tokenizer,
        "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\n",
    )
    task = ids_of(
        tokenizer,
        "You are a search relevance expert who evaluates how well documents match search queries. For each"
        " query-document pair, carefully analyze the semantic relationship between them, then provide your binary"
        " relevance judgment (0 for not relevant, 1 for relevant).\nRelevance:",
    )
    end = ids_of(tokenizer, "<|im_end|>\n<|im_start|>assistant\n")
    sep, first = ids_of(tokenizer, "\n"), ids_of(tokenizer, f"query: {query}")
    room = max_length - len(prefix) - len(first) - 2 * len(sep) - len(task) - len(end)
    return prefix + first + sep + ids_of(tokenizer, f"document: {document}")[:room] + sep + task + end


def monot5_layout(tokenizer: Tokenizer, query: str, document: str, max_length: int) -> list[int]:
    """The published text as one; when it is too long, the document is cut so that "Relevant:" and the end stay."""
    whole: list[int] = tokenizer.encode(f"Query: {query} Document: {document} Relevant:").ids
    end = tokenizer.encode("Relevant:").ids
    return whole if len(whole) <= max_length else whole[: max_length - len(end)] + end
