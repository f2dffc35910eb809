"""Tracks, codecs, files and devices on the loop's side."""
