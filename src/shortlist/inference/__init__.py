"""How a transformer runs on this machine: tokens, batches, sessions; nothing here knows what a query means."""
