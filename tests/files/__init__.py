"""Files over calls."""
