"""``trio-rtc send``, ``receive`` and ``forward``: between two who tell each other a code."""
