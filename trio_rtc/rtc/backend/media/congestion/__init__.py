"""Congestion control of media: what a path carries, and when what is sent on it arrived."""
