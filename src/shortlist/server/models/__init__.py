"""The models that are served: how each is asked, and which of them are in memory."""
