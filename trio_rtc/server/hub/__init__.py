"""Hub of rooms and members: who is there, and what waits for whom. No I/O."""
