"""The latency budget as functions of values: what scoring costs, what fits, and what it is worth."""
