"""Simulcast: one picture in several encodings, of which each viewer gets one (RFC 8853)."""
