"""``trio-rtc send`` and ``trio-rtc receive``: files between two who tell each other a code."""

from typing import Final

DEFAULT_SERVER: Final = "ws://localhost:8888"
