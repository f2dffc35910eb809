"""Shares of a server's time: turns, work in steps, and timers."""
