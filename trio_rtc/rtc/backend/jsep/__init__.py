"""Offers and answers (RFC 9429)."""
