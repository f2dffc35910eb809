"""A server under attack, and an honest pair in it."""
