"""The likelihood of a given answer from a llama.cpp server: a grammar that allows no other answer.

llama.cpp does not report log probabilities of a prompt's tokens. But it reports those of
generated tokens as they were before sampling and before the grammar, and a grammar can
force every one of them (GBNF: https://github.com/ggml-org/llama.cpp/tree/master/grammars).
One request then gives what teacher forcing would.
"""

from __future__ import annotations

import json
from dataclasses import replace

from shortlist.errors import GenerationError, InputError
from shortlist.generators.chat import Endpoint, chat_request, completion_of
from shortlist.types import Likelihood, Prompt


class GrammarForcing:
    """Forces the answer by a grammar; line breaks and runs of blanks in it become one blank."""

    def log_likelihood(self, endpoint: Endpoint, prompt: Prompt, continuation: str) -> Likelihood:
        """Return one log probability a token, the end of the answer not counted.

        Raises InputError for an empty answer, GenerationError when the server knows no grammars.
        """
        text = " ".join(continuation.split())
        if not text:
            raise InputError("an empty answer has no likelihood")
        asked = replace(prompt, max_tokens=len(text.encode()) + 8, temperature=0.0, top_logprobs=1)
        grammar = f"root ::= {json.dumps(text, ensure_ascii=False)}"
        completion = completion_of(endpoint.chat({**chat_request(asked), "grammar": grammar}), with_logprobs=True)
        if completion.text != text:
            raise GenerationError(
                f"{endpoint.fingerprint} answered {completion.text!r:.60} where its answer was forced to be"
                f" {text!r:.60}; only llama.cpp servers take a grammar, for others choose likelihood='echo'"
            )
        # the last token may be the end of the answer, whose text is empty
        logprobs = tuple(t.candidates[t.token] for t in completion.logprobs if t.token)
        return Likelihood(tuple(min(0.0, value) for value in logprobs), completion.prompt_tokens)
