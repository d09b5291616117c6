"""Others' harnesses and frameworks: each module lets one of them run shortlist."""
