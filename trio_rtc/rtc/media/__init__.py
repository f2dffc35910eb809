"""Media as programs see them: sources, tracks, senders, recordings."""
