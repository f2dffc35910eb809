"""Workers of ``trio-rtc server``: several processes on one port."""
