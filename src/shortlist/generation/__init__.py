"""What a ranking becomes for a language model: a context in a budget, a question, an answer with checked citations."""

from shortlist.generation.answer import CheckedAnswer, Sentence, checked
from shortlist.generation.context import Context, ContextPassage, Order
from shortlist.generation.packing import pack
from shortlist.generation.question import asked

__all__ = ["CheckedAnswer", "Context", "ContextPassage", "Order", "Sentence", "asked", "checked", "pack"]
