"""The likelihood of a given answer from a server that echoes its prompt with log probabilities (vLLM).

The legacy text completions: https://platform.openai.com/docs/api-reference/completions
"""

from __future__ import annotations

from shortlist.errors import GenerationError, InputError
from shortlist.generators.chat import Endpoint
from shortlist.types import Likelihood, Prompt


class EchoForcing:
    """Sends prompt and answer as one text, without a chat template: for base models above all."""

    def log_likelihood(self, endpoint: Endpoint, prompt: Prompt, continuation: str) -> Likelihood:
        """Return one log probability a token of the answer; a token that straddles its beginning is of the answer.

        Raises InputError for an empty answer, GenerationError when the server does not echo.
        """
        if not continuation.strip():
            raise InputError("an empty answer has no likelihood")
        context = "\n".join(message.text for message in prompt.messages) + "\n"
        text = context + continuation
        answer = endpoint.complete({"prompt": text, "max_tokens": 1, "temperature": 0, "echo": True, "logprobs": 1})
        try:
            told = answer["choices"][0]["logprobs"]
            entries = list(zip(told["tokens"], told["token_logprobs"], told["text_offset"], strict=True))
        except (LookupError, TypeError, ValueError) as error:
            raise GenerationError(
                f"{endpoint.fingerprint} does not echo its prompt with log probabilities;"
                " for a llama.cpp server choose likelihood='grammar'"
            ) from error
        values = [value for token, value, start in entries if start < len(text) and start + len(token) > len(context)]
        if not values or None in values:
            raise GenerationError(f"{endpoint.fingerprint} echoed a text without the answer {continuation!r:.60}")
        return Likelihood(tuple(min(0.0, float(value)) for value in values), len(entries) - len(values))
