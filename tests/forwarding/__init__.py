"""Sockets over calls."""
