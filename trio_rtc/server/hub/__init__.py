"""Who is there, and what waits for whom. No I/O."""
