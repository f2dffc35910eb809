"""Recording of tracks to files."""
