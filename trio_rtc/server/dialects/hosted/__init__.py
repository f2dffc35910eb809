"""Peers that live in the server's own process."""
