"""How good the rankings are, on test collections with human judgements."""
