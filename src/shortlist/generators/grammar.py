"""The likelihood of a given answer from a llama.cpp server: a grammar that allows no other tokens.

llama.cpp does not report log probabilities of a prompt's tokens. But it reports those of
generated tokens as they were before sampling and before the grammar, and a grammar can
force every one of them (https://github.com/ggml-org/llama.cpp/blob/master/grammars/README.md).
One request then gives what teacher forcing would. The grammar names token ids: one that
names letters lets the model spell a rare word in small pieces, which is another, much
less likely answer.
"""

from __future__ import annotations

from dataclasses import replace

from shortlist.errors import GenerationError, InputError
from shortlist.generators.chat import Endpoint, chat_request, completion_of
from shortlist.types import Likelihood, Prompt


class GrammarForcing:
    """Forces the answer token by token; line breaks and runs of blanks in it become one blank."""

    def __init__(self) -> None:
        self._last: tuple[str, list[int]] = ("", [])  # a query is asked about many passages in a row

    def log_likelihood(self, endpoint: Endpoint, prompt: Prompt, continuation: str) -> Likelihood:
        """Return one log probability a token, the end of the answer not counted.

        Raises InputError for an empty answer, GenerationError when the server is no llama.cpp.
        """
        text = " ".join(continuation.split())
        if not text:
            raise InputError("an empty answer has no likelihood")
        ids = self._ids(endpoint, text)
        asked = replace(prompt, max_tokens=len(ids) + 1, temperature=0.0, top_logprobs=1)
        grammar = "root ::= " + " ".join(f"<[{token}]>" for token in ids)
        completion = completion_of(endpoint.chat({**chat_request(asked), "grammar": grammar}), with_logprobs=True)
        if completion.text.strip() != text or len(completion.logprobs) < len(ids):
            raise GenerationError(
                f"{endpoint.fingerprint} answered {completion.text!r:.60} where its answer was forced to be"
                f" {text!r:.60}; only llama.cpp servers take a grammar, for others choose likelihood='echo'"
            )
        logprobs = [token.candidates[token.token] for token in completion.logprobs[: len(ids)]]
        return Likelihood(tuple(min(0.0, value) for value in logprobs), completion.prompt_tokens)

    def _ids(self, endpoint: Endpoint, text: str) -> list[int]:
        known, ids = self._last
        if known != text:
            ids = endpoint.tokenize(text)
            self._last = (text, ids)
        return ids
