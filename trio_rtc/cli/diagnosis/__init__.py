"""What works on a machine, and what does not."""
