"""The native protocol, ``trio-rtc.v1``, as the server speaks it."""
