"""Language models behind the Generator protocol: servers that speak OpenAI's format, and GGUF files on this machine."""

from shortlist.generators.load import load_language_model
from shortlist.generators.model import LanguageModel

__all__ = ["LanguageModel", "load_language_model"]
