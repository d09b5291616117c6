"""Whether reranking helps the answer: question, passages, generator, answer, and how good it is."""
