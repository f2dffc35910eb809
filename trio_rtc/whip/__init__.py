"""Calls of WHIP and WHEP endpoints: media out and in by HTTP requests (RFC 9725)."""

from .whip_calls import open_whep as open_whep
from .whip_calls import open_whip as open_whip
