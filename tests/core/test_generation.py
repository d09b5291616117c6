import pytest

from shortlist.errors import InputError
from shortlist.types import Message, Prompt


@pytest.mark.parametrize(
    "given", [{"messages": ()}, {"max_tokens": 0}, {"temperature": -0.1}, {"top_logprobs": -1}], ids=str
)
def test_a_prompt_that_cannot_be_asked_is_an_error(given: dict[str, object]) -> None:
    with pytest.raises(InputError, match="a prompt needs"):
        Prompt(**{"messages": (Message("user", "hello"),), **given})  # type: ignore[arg-type]


def test_a_prompt_is_greedy_unless_told_otherwise() -> None:
    prompt = Prompt((Message("user", "hello"),))
    assert (prompt.temperature, prompt.stop, prompt.top_logprobs) == (0.0, (), 0)
