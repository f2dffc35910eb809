"""Calls of WHIP and WHEP endpoints: media out and in by HTTP requests (RFC 9725)."""

from .opening import open_whep as open_whep
from .opening import open_whip as open_whip
