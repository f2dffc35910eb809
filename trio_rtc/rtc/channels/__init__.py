"""Data channels as Trio channels and streams."""
