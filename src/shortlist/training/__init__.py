"""How the packaged cross-encoder comes about: mining, losses, training, packaging."""
