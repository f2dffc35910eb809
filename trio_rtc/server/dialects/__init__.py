"""Dialects: the protocols in which peers speak to the server. None knows another."""
