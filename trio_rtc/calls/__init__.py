"""Calls: making one, taking them, and what a call is made of."""
