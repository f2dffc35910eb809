"""Received media in time: each track has a receive buffer with a clock, each peer a timeline."""
