"""Serving connections: what each does next, and who waits for that."""
