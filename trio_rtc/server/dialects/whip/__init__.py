"""WHIP and WHEP: media in and out of a call by HTTP requests (RFC 9725)."""
