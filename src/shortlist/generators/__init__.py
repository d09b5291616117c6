"""Language models behind the Generator protocol: servers that speak OpenAI's format, and GGUF files on this machine."""
