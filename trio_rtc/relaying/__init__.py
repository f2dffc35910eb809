"""Calls whose media go on to others as they are: one publisher, many viewers."""

from .relay_calls import Relay as Relay
from .relay_calls import open_relay as open_relay
from .relay_calls import relay as relay
from .relay_host import relay_host as relay_host
from .relay_rooms import serve_relay as serve_relay
