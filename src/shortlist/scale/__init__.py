"""More than one machine scores: pairs of any number, cut into parts; replicas of the server."""
