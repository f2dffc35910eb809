"""What tracks bring is written to files."""
